import emerge


@emerge.dataclass
class Sample(emerge.Object):
    count: int = 0
    price: float = 0.0
    name: str = ""

    def echo(self, value):
        """Gives back what it is given."""
        return value

    def names(self, map):
        """The names of a map, in their order."""
        return list(map)

    def field(self, name):
        """A field, or nothing."""
        return getattr(self, name, None)

    def total(self):
        """What all of it costs."""
        return self.count * self.price

    def add(self, by):
        """Counts on, and tells how far."""
        self.count += by
        return self.count

    def pair(self, first, second=2, third=2):
        """What it is given, in order."""
        return [first, second, third]

    def held(self):
        """Holds another object."""
        return {"inner": Sample(count=1, price=-0.0, name="inner")}

    def fail(self, text):
        raise ValueError(text)
