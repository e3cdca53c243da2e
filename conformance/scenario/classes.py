import emerge


@emerge.dataclass
class Item(emerge.Object):
    name: str = ""
    price: float = 0.0
    count: int = 0
    tags: list = emerge.field(default_factory=list)

    def cost(self) -> float:
        """What all of it costs."""
        return self.price * self.count


@emerge.dataclass
class Farm(emerge.Object):
    name: str = ""
    acres: float = 0.0


@emerge.dataclass
class Customer(emerge.Object):
    name: str = ""
    email: str = ""
    farms: list = emerge.field(default_factory=list)

    def greet(self) -> str:
        """Says who it is."""
        return f"I am {self.name}"


@emerge.dataclass
class Cleaner(emerge.Object):
    def clean(self, directory: str) -> int:
        """Removes the older ones of the customers that have the same address, and tells how many these were."""
        newest: dict = {}
        older = []
        for meta in self.fs.list(directory):
            customer = self.fs.get(meta.path)
            known = newest.get(customer.email)
            if known is None or (known.meta.created, known.meta.name) < (meta.created, meta.name):
                newest[customer.email], customer = customer, known
            if customer is not None:
                older.append(customer.meta.path)
        for path in older:
            self.fs.rm(path)
        return len(older)


@emerge.dataclass
class Dear(emerge.Object):
    directory: str = "/"
    least: float = 0.0
    results: emerge.Table = None

    def query(self, fs):
        """What costs at least so much, and how much it costs."""
        items = [fs.get(meta.path) for meta in fs.list(self.directory)]
        rows = [[item.name, item.cost()] for item in items if item.cost() >= self.least]
        return emerge.Table(["name", "cost"], sorted(rows, key=lambda row: -row[1]))
