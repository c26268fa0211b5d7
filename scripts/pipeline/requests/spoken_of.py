"""The objects that a request speaks of, with what it says of their properties, and how a prompt writes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.requests.places import Counted, Place, Way


@dataclass
class Said:
    """An object that a request speaks of: what it says of its properties, and each with the objects there."""

    place: Place
    parts: dict[str, list[Said]] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    """Property -> what is said behind its name, each time that it is named."""
    last: str | None = None
    """The property that was named last, where it has properties itself: what is in brackets behind it belongs to it."""
    opened: bool = False

    def name(self, name: str) -> Said:
        """This object, whose property is named from now on."""
        part = self.place.parts[name]
        self.parts.setdefault(name, [Said(part)])
        self.last = name if part.parts else None
        return self

    def forget(self, name: str) -> None:
        """The property that was named is not spoken of where nothing was said of it."""
        if not any([*self.words[name], *(one.parts for one in self.parts.get(name, []))]):
            self.parts.pop(name, None)

    def name_below(self, last: str, name: str) -> Said:
        """As `name`, of the object that was named last in this one: of a list's next one where that has said it
        already."""
        objects = self.parts[last]
        if self.place.parts[last].is_list and name in objects[-1].words:
            objects.append(Said(objects[-1].place))
        return objects[-1].name(name)

    def name_along(self, way: Way) -> Said:
        """As `name`, of the object at the end of a way from here, each of whose steps is named."""
        at = self
        for step in way[:-1]:
            at = at.name(step).parts[step][-1]
        return at.name(way[-1])

    def inside(self) -> Said:
        """The object that brackets which open now speak of: a new one where the last one had its own."""
        if self.last is None:
            return self
        objects = self.parts[self.last]
        if objects[-1].opened:
            objects.append(Said(objects[-1].place))
        objects[-1].opened = True
        return objects[-1]

    def holder(self, way: Way) -> Said:
        """The object that has the property at the end of a way from here, which is spoken of from now on."""
        at = self
        for step in way[:-1]:
            at = at.parts.setdefault(step, [Said(at.place.parts[step])])[-1]
        at.parts.setdefault(way[-1], [Said(at.place.parts[way[-1]])])
        return at

    def put_counts(self, counted: Counted, counts: list[tuple[str, str]]) -> bool:
        """An item of the list for each of these, if there are any."""
        place = self.place.parts[counted.name]
        for number, text in counts:
            item = Said(place)
            self.parts.setdefault(counted.name, []).append(item)
            for name, words in ((counted.number, number), (counted.text, text)):
                item.holder((name,)).words[name] = [words]
        return bool(counts)

    def written(self) -> str:
        """The names in the order of the schema, each with what is said of it."""
        return "; ".join(self._written(name) for name in self.place.parts if name in self.parts)

    def _written(self, name: str) -> str:
        joint = " & " if self.place.parts[name].is_list else " / "
        words = joint.join(filter(None, self.words.get(name, [])))
        objects = [f"({one.written()})" for one in self.parts[name] if one.parts]
        return " ".join([f"{name}: {words}" if words else name, *objects])
