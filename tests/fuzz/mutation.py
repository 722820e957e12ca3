"""Damage to bytes, the same for the same seed: bits, length fields, cuts, pieces doubled, left out or of another."""

import struct

INTERESTING = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)


def mutated(data, chance, others=(b"",), most=4):
    """`data` after one to `most` damages drawn from `chance` (a random.Random); `others` give pieces to splice."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, most)):
        chance.choice(DAMAGES)(changed, chance, chance.choice(others))
        if not changed:
            break
    return bytes(changed)


def _place(data, chance):
    # Half of them at the beginning, where the structure is and not the pixels.
    return chance.randrange(min(len(data), 512) if chance.random() < 0.5 else len(data)) if data else 0


def _flip(data, chance, _other):
    data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _byte(data, chance, _other):
    data[_place(data, chance)] = chance.randrange(256)


def _number(data, chance, _other):
    """Write a length of 2 or 4 bytes in either order: an extreme one, or one nearly right."""
    place, form = _place(data, chance), chance.choice(("<H", ">H", "<L", ">L"))
    size = struct.calcsize(form)
    there = bytes(data[place : place + size]).ljust(size, b"\0")
    near = struct.unpack(form, there)[0] + chance.randint(-9, 9)
    number = near if chance.random() < 0.5 else chance.choice(INTERESTING)
    data[place : place + size] = struct.pack(form, number % (1 << 8 * size))


def _cut(data, chance, _other):
    del data[_place(data, chance) :]


def _leave_out(data, chance, _other):
    place = _place(data, chance)
    del data[place : place + chance.choice((1, 2, 4, 8, 100))]


def _repeat(data, chance, _other):
    place = _place(data, chance)
    piece = data[place : place + chance.choice((1, 8, 64, 400))]
    data[place:place] = piece * chance.choice((1, 1, 2, 30))


def _splice(data, chance, other):
    place, begin = _place(data, chance), _place(other, chance)
    data[place : place + chance.choice((0, 16, 200))] = other[begin : begin + chance.choice((4, 60, 600))]


def _swap(data, chance, _other):
    """Two pieces of equal size change places."""
    first, second = sorted((_place(data, chance), _place(data, chance)))
    size = min(chance.choice((2, 8, 30)), second - first, len(data) - second)
    data[first : first + size], data[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )


DAMAGES = (_flip, _flip, _byte, _number, _number, _cut, _leave_out, _repeat, _splice, _swap)
