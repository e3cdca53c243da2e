import type { EmergeObject } from "emerge-client";

/** A row of the data. */
export interface AirportFields {
  iata: string;
  name: string;
  city: string;
  state: string;
  country: string;
  latitude: number;
  longitude: number;
}

export type Airport = EmergeObject & AirportFields & { distanceTo(lat: number, lon: number): number };
export const Airport: new (fields?: AirportFields) => Airport;
