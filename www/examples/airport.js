import { EmergeObject, float, text } from "emerge-client";

/** An airport of the United States, from the data set `airports.csv` of vega-datasets. */
export class Airport extends EmergeObject {
  static doc = "An airport of the United States.";
  static fields = {
    iata: text("", "The code on the luggage tag"),
    name: text(""),
    city: text(""),
    state: text(""),
    country: text(""),
    latitude: float(0, "Degrees north"),
    longitude: float(0, "Degrees east"),
  };

  /** Kilometres from here to a point, along the great circle. */
  distanceTo(lat, lon) {
    const radians = Math.PI / 180;
    const dLat = (lat - this.latitude) * radians;
    const dLon = (lon - this.longitude) * radians;
    const a =
      Math.sin(dLat / 2) ** 2 +
      Math.cos(this.latitude * radians) * Math.cos(lat * radians) * Math.sin(dLon / 2) ** 2;
    return 2 * 6371.0088 * Math.asin(Math.sqrt(a));
  }
}
