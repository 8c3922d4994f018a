"""Floating-point results from their definition, as vectors for the simulator.

    vectors.py COUNT [SEED]

writes, for each operation and rounding mode, COUNT vectors to standard output: exact rational
arithmetic in integers of any size, rounded once as IEEE 754-2019 clause 4.3 says, flags as clause
7, NaNs and conversions as the RISC-V ISA manual says (chapters F, D, Zfh, Zfa). Nothing here knows
how the simulator computes. A block is 32 bytes of name, the mode and the count as 32-bit integers,
and for each vector five 64-bit ones: three operand registers, the result register, the flags.
"""
import math
import random
import struct
import sys

NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16
RNE, RTZ, RDN, RUP, RMM = range(5)
# Precision with the hidden bit, bits in all.
FORMATS = {"h": (11, 16), "s": (24, 32), "d": (53, 64)}
LISTED = [-1, None, 2**-16, 2**-15, 2**-8, 2**-7, 2**-4, 2**-3, .25, .3125, .375, .4375, .5, .625,
          .75, .875, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 8, 16, 128, 256, 2**15, 2**16]


class Format:
    def __init__(self, letter):
        self.letter = letter
        self.precision, self.width = FORMATS[letter]
        self.fraction_bits = self.precision - 1
        self.exponent_bits = self.width - self.precision
        self.bias = 2 ** (self.exponent_bits - 1) - 1
        self.least = 1 - self.bias
        self.top = 2**self.exponent_bits - 1
        self.infinity = self.top << self.fraction_bits
        self.nan = self.infinity | 1 << (self.fraction_bits - 1)
        self.sign = 1 << (self.width - 1)

    def box(self, bits):
        return bits | (2**64 - 2**self.width)

    def unbox(self, register):
        if register >> self.width != 2 ** (64 - self.width) - 1:
            return self.nan
        return register % 2**self.width

    def parts(self, bits):
        """Kind, sign, integer significand, exponent: the value is ±significand × 2**exponent."""
        sign = bits >> (self.width - 1)
        field = bits >> self.fraction_bits & self.top
        fraction = bits % 2**self.fraction_bits
        if field == self.top:
            if fraction == 0:
                return "inf", sign, 0, 0
            quiet = fraction >> (self.fraction_bits - 1)
            return ("qnan" if quiet else "snan"), sign, 0, 0
        if field == 0:
            return "number", sign, fraction, self.least - self.fraction_bits
        return ("number", sign, fraction + 2**self.fraction_bits,
                field - self.bias - self.fraction_bits)

    def rounded(self, sign, top, bottom, mode):
        """±top/bottom as bits, and the flags."""
        if top == 0:
            return sign * self.sign, 0
        exponent = top.bit_length() - bottom.bit_length()
        if compare_scaled(top, bottom, exponent) < 0:
            exponent -= 1
        unit = max(exponent, self.least) - self.fraction_bits
        kept, exact = nearest(sign, top, bottom, unit, mode)
        flags = 0 if exact else NX
        if not exact and exponent < self.least:
            free, _ = nearest(sign, top, bottom, exponent - self.fraction_bits, mode)
            # Tiny after rounding: still below the least normal number with an exponent at will.
            if compare_scaled(free, 1, self.least - exponent + self.fraction_bits) < 0:
                flags |= UF
        if kept == 2**self.precision:
            kept, unit = kept // 2, unit + 1
        if kept < 2**self.fraction_bits:
            return sign * self.sign | kept, flags
        field = unit + self.fraction_bits + self.bias
        if field >= self.top:
            away = mode in (RNE, RMM) or mode == (RDN if sign else RUP)
            return sign * self.sign | (self.infinity if away else self.infinity - 1), OF | NX
        return sign * self.sign | field << self.fraction_bits | kept % 2**self.fraction_bits, flags


def compare_scaled(top, bottom, exponent):
    """The sign of top/bottom - 2**exponent."""
    left, right = top, bottom
    if exponent >= 0:
        right <<= exponent
    else:
        left <<= -exponent
    return (left > right) - (left < right)


def nearest(sign, top, bottom, unit, mode):
    """top/bottom in units of 2**unit, as an integer; and whether that is exact."""
    if unit >= 0:
        bottom <<= unit
    else:
        top <<= -unit
    whole, rest = divmod(top, bottom)
    if rest == 0:
        return whole, True
    half = (2 * rest > bottom) - (2 * rest < bottom)
    up = {RNE: half > 0 or half == 0 and whole % 2 == 1, RTZ: False, RDN: sign == 1,
          RUP: sign == 0, RMM: half >= 0}[mode]
    return whole + up, False


def value(part):
    """The number as a pair of integers, top over bottom, with its sign."""
    _, sign, significand, exponent = part
    top, bottom = significand, 1
    if exponent >= 0:
        top <<= exponent
    else:
        bottom <<= -exponent
    return (-top if sign else top), bottom


def nan_result(form, *parts):
    return form.nan, NV if any(part[0] == "snan" for part in parts) else 0


def is_nan(part):
    return part[0] in ("qnan", "snan")


def total(form, sign_if_zero, top, bottom, mode):
    if top == 0:
        return sign_if_zero * form.sign, 0
    return form.rounded(int(top < 0), abs(top), bottom, mode)


def add(form, x, y, mode):
    if is_nan(x) or is_nan(y):
        return nan_result(form, x, y)
    if x[0] == "inf" and y[0] == "inf" and x[1] != y[1]:
        return form.nan, NV
    for part in (x, y):
        if part[0] == "inf":
            return part[1] * form.sign | form.infinity, 0
    (a, b), (c, d) = value(x), value(y)
    zero = x[1] if x[1] == y[1] else int(mode == RDN)
    return total(form, zero, a * d + c * b, b * d, mode)


def multiply(form, x, y, mode):
    if is_nan(x) or is_nan(y):
        return nan_result(form, x, y)
    sign = x[1] ^ y[1]
    if "inf" in (x[0], y[0]):
        other = y if x[0] == "inf" else x
        if other[0] != "inf" and other[2] == 0:
            return form.nan, NV
        return sign * form.sign | form.infinity, 0
    (a, b), (c, d) = value(x), value(y)
    return form.rounded(sign, abs(a * c), b * d, mode)


def divide(form, x, y, mode):
    if is_nan(x) or is_nan(y):
        return nan_result(form, x, y)
    sign = x[1] ^ y[1]
    if x[0] == "inf":
        return (form.nan, NV) if y[0] == "inf" else (sign * form.sign | form.infinity, 0)
    if y[0] == "inf":
        return sign * form.sign, 0
    (a, b), (c, d) = value(x), value(y)
    if c == 0:
        return (form.nan, NV) if a == 0 else (sign * form.sign | form.infinity, DZ)
    return form.rounded(sign, abs(a * d), abs(b * c), mode)


def square_root(form, x, mode):
    if is_nan(x):
        return nan_result(form, x)
    if x[0] == "number" and x[2] == 0:
        return x[1] * form.sign, 0
    if x[1]:
        return form.nan, NV
    if x[0] == "inf":
        return form.infinity, 0
    top, bottom = value(x)
    # Many more digits than any format has, and one below them that says whether there are more.
    scale = 2 * (1200 + 2 * form.precision)
    root = math.isqrt((top << scale) // bottom)
    exact = root * root * bottom == top << scale
    return form.rounded(0, 2 * root + (not exact), 2 << (scale // 2), mode)


def fused(form, x, y, z, mode):
    zeros = [part[0] == "number" and part[2] == 0 for part in (x, y)]
    infinite = "inf" in (x[0], y[0])
    if infinite and any(zeros):
        return form.nan, NV
    if is_nan(x) or is_nan(y) or is_nan(z):
        return nan_result(form, x, y, z)
    sign = x[1] ^ y[1]
    if infinite:
        if z[0] == "inf" and z[1] != sign:
            return form.nan, NV
        return sign * form.sign | form.infinity, 0
    if z[0] == "inf":
        return z[1] * form.sign | form.infinity, 0
    (a, b), (c, d), (e, f) = value(x), value(y), value(z)
    zero = sign if sign == z[1] else int(mode == RDN)
    return total(form, zero, a * c * f + e * b * d, b * d * f, mode)


def negated(part):
    return (part[0], part[1] ^ 1) + part[2:]


def order(x, y):
    """Less, equal or greater as -1, 0, 1; of infinities too."""
    def key(part):
        if part[0] == "inf":
            return (-1 if part[1] else 1), 0
        top, bottom = value(part)
        return 0, (top, bottom)
    (i, p), (j, q) = key(x), key(y)
    if i != j or i != 0:
        return (i > j) - (i < j)
    left, right = p[0] * q[1], q[0] * p[1]
    return (left > right) - (left < right)


def extreme(form, bits, parts, greatest, strict):
    flags = NV if "snan" in (parts[0][0], parts[1][0]) else 0
    if strict and (is_nan(parts[0]) or is_nan(parts[1])):
        return form.nan, flags
    if is_nan(parts[0]):
        return (form.nan if is_nan(parts[1]) else bits[1]), flags
    if is_nan(parts[1]):
        return bits[0], flags
    relation = order(*parts) or parts[1][1] - parts[0][1]
    return bits[(relation < 0) == greatest], flags


def relation(parts, name, quiet):
    if is_nan(parts[0]) or is_nan(parts[1]):
        signals = not quiet or "snan" in (parts[0][0], parts[1][0])
        return 0, NV if signals else 0
    found = order(*parts)
    return int({"eq": found == 0, "lt": found < 0, "le": found <= 0}[name]), 0


def classify(form, part):
    kind, sign, significand, _ = part
    if kind == "inf":
        number = 0 if sign else 7
    elif kind == "number":
        small = significand < 2**form.fraction_bits
        number = (3 if sign else 4) if significand == 0 else (
            (2 if sign else 5) if small else (1 if sign else 6))
    else:
        number = 8 if kind == "snan" else 9
    return 1 << number


INTEGERS = {"w": (32, True), "wu": (32, False), "l": (64, True), "lu": (64, False)}


def to_integer(part, kind, mode):
    width, signed = INTEGERS[kind]
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    flags = NV
    if is_nan(part):
        result = high
    elif part[0] == "inf":
        result = low if part[1] else high
    else:
        top, bottom = value(part)
        kept, exact = nearest(part[1], abs(top), bottom, 0, mode)
        result = -kept if part[1] else kept
        if low <= result <= high:
            flags = 0 if exact else NX
        else:
            result = low if part[1] else high
    return extended(result, width), flags


def extended(number, width):
    """The register of an integer: of 32 bits the sign is spread, whatever the type."""
    number %= 2**width
    if width == 32 and number >> 31:
        number += 2**64 - 2**32
    return number


def from_integer(form, register, kind, mode):
    width, signed = INTEGERS[kind]
    number = register % 2**width
    if signed and number >> (width - 1):
        number -= 2**width
    return form.rounded(int(number < 0), abs(number), 1, mode)


def integral(form, bits, part, mode, inexact):
    if is_nan(part):
        return nan_result(form, part)
    if part[0] == "inf":
        return bits, 0
    top, bottom = value(part)
    kept, exact = nearest(part[1], abs(top), bottom, 0, mode)
    result, _ = form.rounded(part[1], kept, 1, RTZ)
    return result, NX if inexact and not exact else 0


def modular(part):
    _, flags = to_integer(part, "w", RTZ)
    if part[0] != "number":
        return 0, flags
    top, bottom = value(part)
    whole = abs(top) // bottom
    return extended(-whole if part[1] else whole, 32), flags


def listed(form, number):
    if number == 1:
        return 1 << form.fraction_bits
    if number == 30:
        return form.infinity
    if number == 31:
        return form.nan
    top, bottom = LISTED[number].as_integer_ratio()
    return form.rounded(int(top < 0), abs(top), bottom, RNE)[0]


def specials(form):
    """Magnitudes at every border that rounding, range and kind have."""
    one, least = form.bias << form.fraction_bits, 1 << form.fraction_bits
    found = [0, 1, 2, 3, least - 1, least, least + 1, 2 * least, one - 1, one, one + 1,
             one + least, one + least // 2, one + least // 2 + 1, one - least,
             form.infinity - 1, form.infinity - 2, form.infinity - least, form.infinity,
             form.nan, form.nan | 5, form.infinity | 1, one + least * (form.fraction_bits - 1),
             one + least * form.fraction_bits, one + least * form.fraction_bits + 1,
             one + least * form.precision, one - least * form.precision, one - least * 2,
             one + least // 4 * 3, least // 2 + 1]
    for power in (30, 31, 32, 62, 63, 64):
        if power <= form.bias:
            found += [one + least * power, one + least * power - 1, one + least * power + 1]
    return found + [bits | form.sign for bits in found]


def drawn(form, chance):
    """A register that holds a float: anything, near one, or just out of its box."""
    kind = chance.randrange(16)
    if kind == 0 and form.width < 64:
        return chance.getrandbits(64)
    if kind < 5:
        return form.box(chance.choice(SPECIALS[form.letter]))
    bits = chance.getrandbits(form.width)
    if kind < 11:
        field = form.bias + chance.randrange(-form.precision, form.precision)
        field = min(max(field, 0), form.top - 1)
        bits &= ~(form.top << form.fraction_bits)
        bits |= field << form.fraction_bits
    if kind in (8, 9, 10):
        # Few bits, so that sums cancel and halves are met.
        bits &= ~(2 ** (form.fraction_bits * 3 // 4) - 1)
    return form.box(bits)


def drawn_integer(chance):
    kind = chance.randrange(4)
    if kind == 0:
        return chance.getrandbits(64)
    if kind == 1:
        return (chance.choice((0, 1, -1)) + 2 ** chance.randrange(64)) % 2**64
    if kind == 2:
        return (-(2 ** chance.randrange(64)) + chance.choice((0, 1, -1))) % 2**64
    return chance.getrandbits(chance.randrange(1, 65))


FORMS = {letter: Format(letter) for letter in FORMATS}
SPECIALS = {letter: specials(form) for letter, form in FORMS.items()}


def operations():
    """Name, format of the operands, how many of them, whether it rounds, and what it gives."""
    for letter, form in FORMS.items():
        def of(function, form=form, boxed=True):
            def result(registers, mode):
                bits = [form.unbox(register) for register in registers]
                found, flags = function(form, bits, [form.parts(b) for b in bits], mode)
                return (form.box(found) if boxed else found), flags
            return result

        yield f"fadd.{letter}", form, 2, True, of(lambda f, b, p, m: add(f, *p, m))
        yield f"fsub.{letter}", form, 2, True, of(lambda f, b, p, m: add(f, p[0], negated(p[1]), m))
        yield f"fmul.{letter}", form, 2, True, of(lambda f, b, p, m: multiply(f, *p, m))
        yield f"fdiv.{letter}", form, 2, True, of(lambda f, b, p, m: divide(f, *p, m))
        yield f"fsqrt.{letter}", form, 1, True, of(lambda f, b, p, m: square_root(f, *p, m))
        yield f"fmadd.{letter}", form, 3, True, of(lambda f, b, p, m: fused(f, *p, m))
        yield f"fmsub.{letter}", form, 3, True, of(
            lambda f, b, p, m: fused(f, p[0], p[1], negated(p[2]), m))
        yield f"fnmsub.{letter}", form, 3, True, of(
            lambda f, b, p, m: fused(f, negated(p[0]), p[1], p[2], m))
        yield f"fnmadd.{letter}", form, 3, True, of(
            lambda f, b, p, m: fused(f, negated(p[0]), p[1], negated(p[2]), m))
        for name, greatest, strict in (("min", False, False), ("max", True, False),
                                       ("minm", False, True), ("maxm", True, True)):
            yield f"f{name}.{letter}", form, 2, False, of(
                lambda f, b, p, m, g=greatest, s=strict: extreme(f, b, p, g, s))
        magnitude = form.sign - 1
        for name, sign in (("sgnj", lambda a, b: b), ("sgnjn", lambda a, b: ~b),
                           ("sgnjx", lambda a, b: a ^ b)):
            yield f"f{name}.{letter}", form, 2, False, of(
                lambda f, b, p, m, s=sign, k=magnitude:
                    (b[0] & k | s(b[0], b[1]) & f.sign, 0))
        for name, kind, quiet in (("eq", "eq", True), ("lt", "lt", False), ("le", "le", False),
                                  ("ltq", "lt", True), ("leq", "le", True)):
            yield f"f{name}.{letter}", form, 2, False, of(
                lambda f, b, p, m, k=kind, q=quiet: relation(p, k, q), boxed=False)
        yield f"fclass.{letter}", form, 1, False, of(
            lambda f, b, p, m: (classify(f, p[0]), 0), boxed=False)
        yield f"fround.{letter}", form, 1, True, of(
            lambda f, b, p, m: integral(f, b[0], p[0], m, False))
        yield f"froundnx.{letter}", form, 1, True, of(
            lambda f, b, p, m: integral(f, b[0], p[0], m, True))
        for kind in INTEGERS:
            yield f"fcvt.{kind}.{letter}", form, 1, True, of(
                lambda f, b, p, m, k=kind: to_integer(p[0], k, m), boxed=False)
            yield f"fcvt.{letter}.{kind}", None, 1, True, (
                lambda registers, mode, f=form, k=kind:
                    boxed(f, from_integer(f, registers[0], k, mode)))
        for other in FORMS.values():
            if other is not form:
                yield f"fcvt.{other.letter}.{letter}", form, 1, True, (
                    lambda registers, mode, f=form, o=other:
                        boxed(o, converted(f.parts(f.unbox(registers[0])), o, mode)))
        suffix = {"h": "h", "s": "w", "d": "d"}[letter]
        yield f"fmv.x.{suffix}", form, 1, False, (
            lambda registers, mode, f=form: (spread(registers[0], f.width), 0))
        yield f"fmv.{suffix}.x", None, 1, False, (
            lambda registers, mode, f=form: (f.box(registers[0] % 2**f.width), 0))
    yield "fcvtmod.w.d", FORMS["d"], 1, False, (
        lambda registers, mode: modular(FORMS["d"].parts(registers[0])))


def spread(register, width):
    bits = register % 2**width
    return bits + (2**64 - 2**width if bits >> (width - 1) else 0)


def boxed(form, found):
    return form.box(found[0]), found[1]


def converted(part, form, mode):
    if is_nan(part):
        return nan_result(form, part)
    if part[0] == "inf":
        return part[1] * form.sign | form.infinity, 0
    top, bottom = value(part)
    return form.rounded(part[1], abs(top), bottom, mode)


def operands(form, arity, count, chance):
    """Up to half of them combinations of special values, all there are if that is enough."""
    if form is None:
        return [(drawn_integer(chance), 0, 0) for _ in range(count)]
    corners = [form.box(bits) for bits in SPECIALS[form.letter]]
    all_count = len(corners) ** min(arity, 2)
    found = []
    if arity > 1 and count >= 100:
        # Around one and around the least normal number: products that are tiny before they are
        # rounded, and not after.
        one, least = form.bias << form.fraction_bits, 1 << form.fraction_bits
        borders = [form.box(border + step) for border in (least, one) for step in (-1, 0, 1)]
        found = [(x, y, chance.choice(corners)) for x in borders for y in borders]
        count += len(found)
    for index in range(all_count) if 2 * all_count <= count else (
            chance.randrange(all_count) for _ in range(count // 2)):
        third = chance.choice(corners)
        found.append((corners[index % len(corners)], corners[index // len(corners) % len(corners)],
                      third))
    while len(found) < count:
        found.append(tuple(drawn(form, chance) for _ in range(3)))
    return found


def main():
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    out = sys.stdout.buffer
    for name, form, arity, rounds, function in operations():
        for mode in range(5) if rounds else (RNE,):
            chance = random.Random(f"{seed} {name} {mode}")
            vectors = operands(form, arity, count, chance)
            out.write(struct.pack("<32sII", name.encode(), mode, len(vectors)))
            for registers in vectors:
                result, flags = function(registers[:arity], mode)
                out.write(struct.pack("<5Q", *registers, result, flags))
    for letter, form in FORMS.items():
        out.write(struct.pack("<32sII", f"fli.{letter}".encode(), RNE, 32))
        for number in range(32):
            out.write(struct.pack("<5Q", number, 0, 0, form.box(listed(form, number)), 0))


main()
