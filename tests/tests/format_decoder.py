"""Restores a file that ecf8 compressed: python3 format_decoder.py COMPRESSED RESTORED

Written from ecf8-core/FORMAT.md alone, to prove that it is enough. Small and slow; section numbers are FORMAT.md's.
"""

import bisect
import json
import re
import struct
import sys
import zlib

ALIGNMENT = 32
MASK = 2**64 - 1


class Refused(Exception):
    """What FORMAT.md says that a reader must refuse, or a checksum that is wrong."""


def require(condition, problem):
    if not condition:
        raise Refused(problem)


# XXH3-64 with seed 0 and the default secret, from its published specification.

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def folded(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def avalanche(h):
    h = (h ^ (h >> 37)) * 0x165667919E3779F9 & MASK
    return h ^ (h >> 32)


def avalanche_xxh64(h):
    h = (h ^ (h >> 33)) * P64_2 & MASK
    h = (h ^ (h >> 29)) * P64_3 & MASK
    return h ^ (h >> 32)


def xxh3(data):
    n = len(data)
    if n == 0:
        return avalanche_xxh64(u64(SECRET, 56) ^ u64(SECRET, 64))
    if n <= 3:
        combined = data[0] << 16 | data[n // 2] << 24 | data[n - 1] | n << 8
        return avalanche_xxh64(combined ^ u32(SECRET, 0) ^ u32(SECRET, 4))
    if n <= 8:
        h = (u32(data, n - 4) + (u32(data, 0) << 32)) ^ u64(SECRET, 8) ^ u64(SECRET, 16)
        rotate = lambda by: (h << by | h >> (64 - by)) & MASK
        h = (h ^ rotate(49) ^ rotate(24)) * 0x9FB21C651E98DF25 & MASK
        h = (h ^ ((h >> 35) + n)) * 0x9FB21C651E98DF25 & MASK
        return h ^ (h >> 28)
    if n <= 16:
        low = u64(data, 0) ^ u64(SECRET, 24) ^ u64(SECRET, 32)
        high = u64(data, n - 8) ^ u64(SECRET, 40) ^ u64(SECRET, 48)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return avalanche(n + swapped + high + folded(low, high) & MASK)
    mix = lambda at, key: folded(u64(data, at) ^ u64(SECRET, key), u64(data, at + 8) ^ u64(SECRET, key + 8))
    if n <= 128:
        h = n * P64_1
        for i in range((n - 1) // 32 + 1):
            h += mix(16 * i, 32 * i) + mix(n - 16 * (i + 1), 32 * i + 16)
        return avalanche(h & MASK)
    if n <= 240:
        h = avalanche(n * P64_1 + sum(mix(16 * i, 16 * i) for i in range(8)) & MASK)
        h += sum(mix(16 * i, 16 * (i - 8) + 3) for i in range(8, n // 16)) + mix(n - 16, 119)
        return avalanche(h & MASK)
    acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]

    def accumulate(at, key):
        for i, (value, secret) in enumerate(zip(struct.unpack_from("<8Q", data, at), struct.unpack_from("<8Q", SECRET, key))):
            keyed = value ^ secret
            acc[i ^ 1] = acc[i ^ 1] + value & MASK
            acc[i] = acc[i] + (keyed & 0xFFFFFFFF) * (keyed >> 32) & MASK

    for stripe in range((n - 1) // 64):
        accumulate(64 * stripe, 8 * (stripe % 16))
        if stripe % 16 == 15:
            for i, secret in enumerate(struct.unpack_from("<8Q", SECRET, 128)):
                acc[i] = (acc[i] ^ (acc[i] >> 47) ^ secret) * P32_1 & MASK
    accumulate(n - 64, 121)
    h = n * P64_1
    for i in range(4):
        h += folded(acc[2 * i] ^ u64(SECRET, 11 + 16 * i), acc[2 * i + 1] ^ u64(SECRET, 19 + 16 * i))
    return avalanche(h & MASK)


# §1: the file.


class File:
    def __init__(self, data):
        length = u64(data, 0)
        self.data, self.start = data, 8 + length
        header = json.loads(data[8 : self.start])
        self.metadata = header.pop("__metadata__", {})
        self.tensors = header
        # In the order of their data; checksums come in this order (§4).
        self.order = sorted(header, key=lambda name: header[name]["data_offsets"])
        self.unclaimed = set(header)

    def bytes(self, name):
        begin, end = self.tensors[name]["data_offsets"]
        return self.data[self.start + begin : self.start + end]

    def claim(self, name, dtype):
        require(name in self.unclaimed, f"{name} is missing or used twice")
        require(self.tensors[name]["dtype"] == dtype, f"{name} is not {dtype}")
        self.unclaimed.remove(name)
        return self.bytes(name)


def check_checksums(file, table):
    """§4."""
    others = [file.data[: file.start]] + [file.bytes(name) for name in file.order[:-1]]
    entries = [xxh3(data) for data in others]
    entries.append(xxh3(b"".join(entry.to_bytes(8, "little") for entry in entries)))
    require(list(struct.unpack(f"<{len(entries)}Q", table)) == entries, "a checksum is wrong")


def check_pieces(data, piece, checksums):
    """§4."""
    require(piece >= 1 << 20 and piece.bit_count() == 1, "pieces of another number of bytes")
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    require(checksums == "".join(f"{xxh3(piece):016x}" for piece in pieces), "a checksum of a piece is wrong")


# §3: codebooks and schemes.


def codewords(text, symbols):
    """§3.1: from the bits of each codeword, as a string, to its symbol."""
    lengths = []
    for run in re.findall("[A-Z]+|[0-9a-z]+", text):
        number = 0
        for letter in run if run.isupper() else "":
            number = 26 * number + ord(letter) - ord("A")
            require(number <= 1 << 16, "the codebook has too many symbols")
        lengths += [0] * number if run.isupper() else [int(digit, 36) for digit in run]
    require(len(lengths) == symbols, "the codebook has another alphabet")
    order = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    kraft = sum(2.0**-length for length, _ in order)
    require(not order or kraft == 1 or [length for length, _ in order] == [1], "the codebook is not complete")
    codes, code, previous = {}, -1, 0
    for length, symbol in order:
        code = (code + 1) << (length - previous)
        codes[format(code, f"0{length}b")], previous = symbol, length
    return codes


class Codewords:
    """Codewords by their text."""

    def __init__(self, text, symbols):
        self.codes = codewords(text, symbols)
        self.count, self.longest = len(self.codes), max(map(len, self.codes), default=0)
        self.shortest = min(map(len, self.codes), default=0)

    def reader(self):
        def read(stream, at, is_for_nothing):
            end = at + self.shortest
            while stream[at:end] not in self.codes:
                end += 1
                require(end <= len(stream), "a lane ends early")
            require(not is_for_nothing or end - at == self.shortest, "a symbol for nothing is longer than need be")
            return self.codes[stream[at:end]], end

        return read


class States:
    """§3.1: an asymmetric numeral system; of each state the symbol and what it counts."""

    CHARACTERS = [chr(code) for code in range(0x23, 0x7C) if code != 0x5C]

    def __init__(self, text, symbols):
        require(len(text) == 2 + symbols and text[0] == "=", "the codebook has another alphabet")
        self.longest = int(text[1], 36)
        require(1 <= self.longest <= 13, "there are too many states")
        level = lambda place: place if place < 8 else (8 + place % 8) << (place // 8 - 1)
        frequencies = [0 if c == "!" else level(self.CHARACTERS.index(c)) for c in text[2:]]
        size = 1 << self.longest
        require(text.count("!", 2) == 1 and sum(frequencies) < size, "the frequencies do not fill the table")
        frequencies[text.index("!", 2) - 2] = size - sum(frequencies)
        self.count, self.symbols = sum(map(bool, frequencies)), [None] * size
        step, at = (size // 2 + size // 8 + 3) | 1, 0
        for symbol, frequency in enumerate(frequencies):
            for _ in range(frequency):
                require(self.symbols[at] is None, "two symbols have one state")
                self.symbols[at], at = symbol, (at + step) % size
        self.counts = []
        for symbol in self.symbols:
            self.counts.append(frequencies[symbol])
            frequencies[symbol] += 1

    def reader(self):
        counted, size = 1, len(self.symbols)

        def read(stream, at, is_for_nothing):
            nonlocal counted
            while counted < size:
                require(at < len(stream), "a lane ends early")
                counted, at = 2 * counted + int(stream[at]), at + 1
            state = counted - size
            counted = self.counts[state]
            return self.symbols[state], at

        return read


def nibble(data, i):
    return data[i // 2] >> 4 if i % 2 == 0 else data[i // 2] & 15


def decode_exponent_gap(numbers, codebooks, run, params, parts):
    """§3.3."""
    elements = numbers.count
    encoded, packed, gaps, positions = parts
    require(run is None, "this scheme has no runs")
    codes = codewords(codebooks[0], 16)
    require(all(len(code) <= 16 for code in codes), "a codeword is too long")
    window_bits, threads = 8 * params.get("bytes_per_thread", 8), params.get("threads_per_block", 512)
    require(len(packed) == (elements + 1) // 2, "packed has another length")

    bits = "".join(f"{byte:08b}" for byte in encoded)
    out, starts, at = bytearray(), [], 0
    for i in range(elements):
        end = at + 1
        while bits[at:end] not in codes:
            end += 1
            require(end <= len(bits), "the stream ends early")
        raw = nibble(packed, i)
        out.append((raw & 8) << 4 | codes[bits[at:end]] << 3 | raw & 7)
        starts.append(at)
        at = end
    require(len(bits) - at < 8 and "1" not in bits[at:], "the stream goes on after its last codeword")
    require(elements % 2 == 0 or nibble(packed, elements) == 0, "the half byte after the last element is not 0")

    ends = starts + [at]
    windows = -(-len(encoded) * 8 // window_bits)
    blocks = -(-windows // threads)
    offsets = [window * window_bits for window in range(windows)]
    expected = [ends[bisect.bisect_left(ends, offset)] - offset for offset in offsets]
    expected += [0] * (blocks * threads - windows)
    require(len(gaps) == blocks * threads // 2, "gaps have another length")
    require([nibble(gaps, thread) for thread in range(blocks * threads)] == expected, "a gap is wrong")
    offsets = [block * threads * window_bits for block in range(blocks)]
    expected = [bisect.bisect_left(starts, offset) for offset in offsets] + [elements]
    require(list(struct.unpack(f"<{blocks + 1}Q", positions)) == expected, "an output position is wrong")
    return bytes(out)


def stream_of(words):
    """§3.4: 32-bit words as a string of bits."""
    return "".join(f"{word:032b}" for (word,) in struct.iter_unpack("<I", words))


BYTES = {"BF16": 2, "F16": 2, "I16": 2, "U16": 2, "F32": 4, "C64": 4, "I32": 4, "U32": 4, "F64": 8, "I64": 8, "U64": 8}
BITS = {"C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
FLOATS = ("BF16", "F32", "C64")


class Numbers:
    """§3.2: how the numbers of a tensor are split."""

    def __init__(self, entry):
        self.dtype, self.width = entry["dtype"], BYTES.get(entry["dtype"], 1)
        self.least = entry.get("least_exponent", 0)
        self.planes = entry.get("planes", ["coded"] + ["stored"] * (self.width - 1))
        known = all(plane in ("coded", "stored") or isinstance(plane, int) for plane in self.planes)
        require(known and len(self.planes) == self.width and self.planes.count("coded") == 1, "the planes are not possible")
        self.entries, self.dictionary = entry.get("dictionary", 0), None
        self.has_signs = self.dtype in FLOATS and not self.entries
        require(not self.has_signs or self.planes[0] == "coded", "the exponent is not coded")
        require(not self.entries or self.width > 1 and not any(plane != 0 for plane in self.planes[:-2]), "a place is too long")
        numbers = 1
        for dimension in entry["shape"]:
            numbers *= dimension
        self.count = numbers * BITS.get(self.dtype, 8 * self.width) // (8 * self.width)

    def read_dictionary(self, data):
        each = [data[at : at + self.width] for at in range(0, len(data), self.width)]
        values = [int.from_bytes(entry, "little") for entry in each]
        require(len(values) == self.entries <= 65536 and len(data) == self.width * self.entries, "the dictionary has another length")
        require(all(a < b for a, b in zip(values, values[1:])), "the dictionary is not in order")
        self.dictionary = each

    def place(self, slot):
        """Which element is in a slot."""
        block, within, n = slot // 512 * 512, slot % 512, 16 // self.width
        if block + 512 > self.count:
            return slot
        return block + n * (32 * (within % 16 // n) + within // 16) + within % n

    def join(self, coded, packed):
        """The numbers from their coded bytes and the stored planes."""
        each, stored = -(-self.count // 16) * 16, self.planes.count("stored")
        require(len(packed) == each * stored, "packed has another length")
        kept = iter(packed[i * each :][:each] for i in range(stored))
        planes = []
        for number, plane in enumerate(self.planes):
            if plane == "coded":
                planes.append(coded)
            elif plane == "stored":
                data = next(kept)
                if number == 1 and self.has_signs:
                    data = self.unmoved(data)
                require(not any(data[self.count :]), "something follows the last number of a plane")
                planes.append(data)
            else:
                planes.append(bytes([plane]) * self.count)
        out = bytearray(self.width * self.count)
        for slot in range(self.count):
            number = [plane[slot] for plane in planes]
            if self.has_signs:
                half = (number[1] & 128) << 8 | number[0] << 7 | number[1] & 127
                number[:2] = half >> 8, half & 255
            at = self.width * self.place(slot)
            if self.entries:
                out[at : at + self.width] = self.dictionary[min(int.from_bytes(bytes(number), "big"), self.entries - 1)]
            else:
                out[at : at + self.width] = reversed(number)
        return bytes(out)

    @staticmethod
    def unmoved(data):
        out = bytearray()
        for at in range(0, len(data), 4):
            four = data[at : at + 4]
            mantissas = four[0], four[2], four[1], four[3]
            signs = four[1], four[3], four[2], four[0]
            out += bytes(m & 127 | s & 128 for m, s in zip(mantissas, signs))
        return out


def decode_lanes(numbers, codebooks, run, params, parts, width_of_symbol, bits=4, code=Codewords):
    """§3.4."""
    elements = numbers.count
    rows, tails = stream_of(parts[0]), stream_of(parts[1])
    vectors_of_turn = 3 if width_of_symbol == 3 else 1
    per_lane, lead_rows = params.get("elements_per_lane", 1536 if vectors_of_turn == 3 else 1024), params.get("lead_rows", 64)
    possible = [3 << i for i in range(5, 11)] if vectors_of_turn == 3 else [1 << i for i in range(6, 13)]
    require(per_lane in possible and 1 <= lead_rows <= 64, "a parameter has another value")
    # A codebook without symbols has no states.
    of = lambda text: Codewords if text == "JW" else code
    alphabet = 256 if width_of_symbol == 1 else 2 ** (bits * width_of_symbol)
    texts = {text: of(text)(text, alphabet) for text in set(codebooks)}
    require(all(codes.count <= 4096 for codes in texts.values()), "there are too many codewords")
    longest = max((codes.longest for codes in texts.values()), default=0)
    require(longest <= 13, "a codeword is too long")
    require(run is None or run % (32 * per_lane) == 0, "a run ends within a chunk")
    per_turn, round_of = 16 * vectors_of_turn // width_of_symbol, 512 * vectors_of_turn

    places = [(e & 0xFFFFFFFF, e >> 32 & 0x7FFFFFF, e >> 59) for (e,) in struct.iter_unpack("<Q", parts[2])]
    require(len(places) == -(-elements // (32 * per_lane)) + 1, "chunks have another length")
    require(places[0][:2] == (0, 0), "the first chunk does not start at 0")
    require(places[-1] == (len(rows) // 1024, len(tails) // 32, 0), "the last chunk does not end where the parts do")

    coded, patched = {}, {}
    for chunk, ((row, word, width), (next_row, next_word, _)) in enumerate(zip(places, places[1:])):
        codes = texts[codebooks[32 * per_lane * chunk // run if run else 0]]
        at = 32 * word + 32 * width
        extras = [int(tails[32 * word + width * lane :][:width] or "0", 2) for lane in range(32)]
        require(width == max(extras).bit_length(), "the numbers of extra bits are too wide")
        streams = ["".join(rows[1024 * r + 32 * lane :][:32] for r in range(row, next_row)) for lane in range(32)]
        for i in range(max(extras) // 32):
            for lane in range(32):
                if extras[lane] >= 32 * (i + 1):
                    streams[lane] += tails[at : at + 32]
                    at += 32
        for lane in range(32):
            streams[lane] += tails[at : at + extras[lane] % 32]
            at += extras[lane] % 32
        end = -(-at // 32) * 32
        require(end <= 32 * next_word and "1" not in tails[at:end], "tails of a chunk end elsewhere")
        first, size, previous = 32 * per_lane * chunk, min(32 * per_lane, elements - 32 * per_lane * chunk), -1
        for at in range(end, 32 * next_word, 32):
            group, second, byte = int(tails[at : at + 16], 2), int(tails[at + 16 : at + 24], 2), int(tails[at + 24 : at + 32], 2)
            require(previous < group and 2 * group < size, "a patch is for other elements than it may be")
            require(2 * group + 1 < size or second == 0, "a patch gives no element a byte")
            patched[first + 2 * group], patched[first + 2 * group + 1], previous = byte, second, group
        require(min(map(len, streams)) // 32 == next_row - row, "a chunk has too few rows")

        starts = {}
        for lane, stream in enumerate(streams):
            at, read = 0, codes.reader()
            for k, start in enumerate(range(first + 16 * lane, first + size, round_of)):
                starts.setdefault(k, []).append(at)
                for i in range(per_turn):
                    # Where the elements of the symbol are, as far as they exist.
                    if vectors_of_turn == 3:
                        places = [start + i + 512 * vector for vector in range(3)]
                    else:
                        places = range(start + i * width_of_symbol, start + (i + 1) * width_of_symbol)
                    symbol, at = read(stream, at, places[0] >= elements)
                    for after, place in enumerate(reversed(places)):
                        coded[place] = symbol >> bits * after & (255 if width_of_symbol == 1 else 2**bits - 1)
            require(at == len(stream), "a lane goes on after its last codeword")
        for k, positions in starts.items():
            most = -(-(max(positions) + longest * per_turn) // 32)
            require(most - min(positions) // 32 <= lead_rows, "lanes run further apart than lead_rows")
    require(all(i in coded for i in range(elements)), "an element is missing")

    if numbers.width > 1:
        least = 0 if width_of_symbol == 1 else numbers.least
        if numbers.entries:
            numbers.read_dictionary(parts[4])
        return numbers.join([patched.get(i, coded[i] + least) for i in range(elements)], parts[3])
    if width_of_symbol == 1:
        return bytes(patched.get(i, coded[i]) for i in range(elements))
    packed = parts[3]
    if bits == 6:
        require(len(packed) == (elements + 15) // 16 * 4, "packed has another length")
        rest = lambda i, k, byte: (byte >> (7 - k) & 1) << 7 | byte >> k & 1
        rests = [rest(i, i % 16 // 4, packed[i // 16 * 4 + i % 4]) for i in range(4 * len(packed))]
        require(not any(rests[elements:]), "a bit after the last element is not 0")
        return bytes(patched.get(i, rests[i] | coded[i] << 1) for i in range(elements))
    require(len(packed) == (elements + 7) // 8 * 4, "packed has another length")
    raws = [(packed[i // 8 * 4 + i % 4] >> 4, packed[i // 8 * 4 + i % 4] & 15)[i % 8 // 4] for i in range(2 * len(packed))]
    require(not any(raws[elements:]), "a nibble after the last element is not 0")
    out = bytearray()
    for i in range(elements):
        out.append(patched.get(i, (raws[i] & 8) << 4 | coded[i] << 3 | raws[i] & 7))
    return bytes(out)


LANES = ["rows", "tails", "chunks"], ["U32", "U32", "U64"]
SCHEMES = {
    "exponent-gap": (["encoded", "packed", "gaps", "output_positions"], ["U8", "U8", "U8", "U64"], decode_exponent_gap),
    "quad-lanes": (LANES[0] + ["packed"], LANES[1] + ["U8"], lambda *told: decode_lanes(*told, 4)),
    "triple-lanes": (LANES[0] + ["packed"], LANES[1] + ["U8"], lambda *told: decode_lanes(*told, 3)),
    "pair-lanes": (LANES[0] + ["packed"], LANES[1] + ["U8"], lambda *told: decode_lanes(*told, 2)),
    "pair6-lanes": (LANES[0] + ["packed"], LANES[1] + ["U8"], lambda *told: decode_lanes(*told, 2, 6)),
    "byte-lanes": (*LANES, lambda *told: decode_lanes(*told, 1)),
    "ans-lanes": (*LANES, lambda *told: decode_lanes(*told, 1, code=States)),
}


class Pool:
    """§1: the parts of tensors that are too small for parts with names."""

    def __init__(self, data, alignment=ALIGNMENT):
        require(alignment in (1, 2, 4, 8, 16, 32), "the pool is aligned in another way")
        self.data, self.at, self.alignment = data, 0, alignment

    def next(self, length):
        part = self.data[self.at : self.at + padded(length, self.alignment)]
        self.at += padded(length, self.alignment)
        return part


def padded(length, alignment=ALIGNMENT):
    return -(-length // alignment) * alignment


def decode(file, entry, codebooks, pool):
    require(entry["scheme"] in SCHEMES, f"scheme {entry['scheme']} is unknown")
    names, dtypes, decoder = SCHEMES[entry["scheme"]]
    numbers = Numbers(entry)
    if numbers.width > 1 and "packed" not in names:
        names, dtypes = names + ["packed"], dtypes + ["U8"]
    if numbers.entries:
        names, dtypes = names + ["dictionary"], dtypes + ["U8"]
    prefix, parts = entry.get("prefix", entry["name"]), []
    for name, dtype, length in zip(names, dtypes, entry["lengths"], strict=True):
        name = f"{prefix}.{name}"
        if entry.get("pooled"):
            data, alignment = pool.next(length), pool.alignment
        else:
            alignment = ALIGNMENT
            data = file.claim(name, dtype)
            require(file.tensors[name]["data_offsets"][0] % ALIGNMENT == 0, f"{name} is not aligned")
        require(len(data) == padded(length, alignment) and not any(data[length:]), f"{name} is not padded so")
        parts.append(data[:length])
    require("exponents" not in entry or numbers.count == sum(entry["exponents"]), "shape and exponents differ")
    runs, run, own = entry.get("runs"), None, [codebooks[entry["codebook"]]]
    if runs:
        run, own = runs["elements"], [codebooks[index] for index in runs["codebooks"]]
        require(runs["codebooks"][0] == entry["codebook"], "the first run has another codebook")
        require(run > 0 and len(own) == max(1, -(-numbers.count // run)), "there are more or fewer runs")
    data = decoder(numbers, own, run, entry.get("params", {}), parts)
    require(f"{xxh3(data):016x}" == entry["checksum"], f"{entry['name']} has another checksum")
    return data


# §2 and §5: the manifest, and the original.


def tensors_of(header):
    """§5: the entries of an original header, which may be lists."""
    tensors = json.loads(header)
    tensors.pop("__metadata__", None)
    named = lambda entry: dict(zip(("dtype", "shape", "data_offsets"), entry)) if isinstance(entry, list) else entry
    return {name: named(entry) for name, entry in tensors.items()}


def restore_verbatim(file, manifest):
    """§1, §4 and §5, where nothing is compressed."""
    about, verbatim = manifest["header"], manifest["verbatim"]
    require(not manifest["codebooks"] and not manifest["tensors"], "nothing is compressed, but something is")
    require(not {"prefix", "guard", "continued"} & set(manifest) and "deflated" not in about, "a key belongs to another form")
    header, body = file.data[8 : file.start], file.data[file.start :]
    at, end = verbatim["at"], verbatim["at"] + verbatim["length"]
    require(end <= len(header), "the text leaves the header")
    header = header[:at] + verbatim.get("instead", "").encode() + header[end:]
    header, spaces = header[: about["length"]], header[about["length"] :]
    require(not spaces.strip(b" "), "something follows the original header")
    require(len(header) == about["length"] and f"{xxh3(header):016x}" == about["checksum"], "the original header is wrong")
    check_pieces(body, verbatim["piece"], verbatim["checksums"])
    require(tensors_of(header) == tensors_of(file.data[8 : file.start]), "the tensors are not those of the original")
    return struct.pack("<Q", len(header)) + header + body


def restore(data):
    file = File(data)
    manifest = json.loads(file.metadata["ecf8"])
    require(manifest["format_version"] == (2 if "delta" in manifest else 1), "another format version")
    if "verbatim" in manifest:
        return restore_verbatim(file, manifest)
    require(file.start % ALIGNMENT == 0, "the data section is not aligned")
    own, about, continued = manifest.get("prefix", "__ecf8__"), manifest["header"], manifest.get("continued")
    deflated = file.claim(f"{own}.header", "U8")
    table = file.claim(f"{own}.checksums", "U64")
    require(file.order[-1] == f"{own}.checksums", "the checksums are not last")
    check_checksums(file, table)
    if "pieces" in manifest:
        end = file.start + file.tensors[f"{own}.header"]["data_offsets"][0]
        check_pieces(file.data[file.start : end], manifest["pieces"]["bytes"], manifest["pieces"]["checksums"])

    inflated = zlib.decompress(deflated[: about["deflated"]], wbits=-15)
    header, rest = inflated[: about["length"]], inflated[about["length"] :]
    require(len(header) == about["length"] and f"{xxh3(header):016x}" == about["checksum"], "the original header is wrong")
    codebooks, entries, pool = manifest["codebooks"], manifest["tensors"], Pool(b"")
    if continued:
        require(len(rest) == continued["length"] and f"{xxh3(rest):016x}" == continued["checksum"], "the manifest goes on wrongly")
        more = json.loads(rest)
        codebooks, entries = codebooks + more["codebooks"], entries + more["tensors"]
        pool = Pool(file.claim(f"{own}.pool", "U8"), continued.get("alignment", ALIGNMENT))
    require(continued or not rest, "something follows the original header")
    if manifest.get("guard"):
        require(entries, "a guard without a compressed tensor")
        guard = entries[0]["name"]
        file.claim(guard, "U8")
        require(file.tensors[guard]["shape"] == [0], "the guard has another shape")
    decoded = {entry["name"]: decode(file, entry, codebooks, pool) for entry in entries if "same_as" not in entry}
    for entry in entries:
        if "same_as" in entry:
            require(not entry["lengths"], "a tensor with another's parts has parts of its own")
            decoded[entry["name"]] = decoded[entry["same_as"]]
    require(padded(pool.at) == len(pool.data) and not any(pool.data[pool.at :]), "the pool is not filled by its parts")

    original = tensors_of(header)
    require(set(original) == set(decoded) | file.unclaimed, "the tensors are not those of the original")
    body = b""
    for name in sorted(original, key=lambda name: original[name]["data_offsets"]):
        require(original[name]["data_offsets"][0] == len(body), "the original has a hole")
        body += decoded[name] if name in decoded else file.bytes(name)
    return struct.pack("<Q", len(header)) + header + body


# §8: differences from a base.

WIDTHS = {"BF16": 2, "F16": 2, "I16": 2, "U16": 2, "F32": 4, "I32": 4, "U32": 4, "F64": 8, "I64": 8, "U64": 8, "C64": 8}
BLOCK = 128


def undone(by, told, before, bits):
    if by == "xor":
        return told ^ before
    require(by == "difference", f"transform {by} is unknown")
    difference = told // 2 if told % 2 == 0 else -(told + 1) // 2
    return (before + difference) % 2**bits


def changed_numbers(counts, places, numbers):
    """Which numbers a sparse difference tells."""
    changed, places = [], list(places)
    require(len(counts) == -(-numbers // BLOCK), "counts of other blocks")
    for block, count in enumerate(counts):
        own = min(BLOCK, numbers - block * BLOCK)
        listed = list(range(own)) if count == own else [places.pop(0) for _ in range(count)]
        require(listed == sorted(set(listed)) and all(place < own for place in listed), "places that are none")
        changed += [block * BLOCK + place for place in listed]
    require(not places, "more places than counts")
    return changed


def change(delta, entry, dtype, before):
    width, how = WIDTHS.get(dtype, 1), entry["change"]
    prefix = how.get("prefix", entry["name"])
    planes = [delta.bytes(f"{prefix}.{how['by']}.{plane}") for plane in range(width)]
    numbers = [int.from_bytes(before[at : at + width], "little") for at in range(0, len(before), width)]
    changed = range(len(numbers))
    if how.get("sparse"):
        changed = changed_numbers(delta.bytes(f"{prefix}.counts"), delta.bytes(f"{prefix}.places"), len(numbers))
    require(all(len(plane) == len(changed) for plane in planes), "planes of other lengths")
    for place, told in zip(changed, zip(*planes)):
        numbers[place] = undone(how["by"], int.from_bytes(bytes(told), "big"), numbers[place], 8 * width)
    after = b"".join(number.to_bytes(width, "little") for number in numbers)
    require(f"{xxh3(after):016x}" == how["checksum"], f"{entry['name']} is not what it was")
    return after


def restore_beside(data, base):
    """A file told from a base, which is plain safetensors here."""
    mark = json.loads(File(data).metadata["ecf8"])["delta"]
    delta, base_header = File(restore(data)), base[8 : 8 + u64(base, 0)]
    base = File(base)
    description = json.loads(zlib.decompress(delta.bytes(mark["description"]), wbits=-15))
    about, told = description["header"], {entry["name"]: entry for entry in description["tensors"]}
    header = about["text"].encode() if "text" in about else base_header
    require(len(header) == about["length"] and f"{xxh3(header):016x}" == about["checksum"], "the header is wrong")
    sums = [int(entry["base_checksum"], 16) for entry in description["tensors"] if "base_checksum" in entry]
    require(mark["checksum"] == f"{xxh3(b''.join(one.to_bytes(8, 'little') for one in sums)):016x}", "another base is meant")
    tensors = tensors_of(header)

    def tensor(name):
        entry = told.get(name)
        if entry is None:
            return delta.bytes(name)
        if "same_as" in entry:
            require("elsewhere" not in entry, "it is in another file")
            return tensor(entry["same_as"])
        before = base.bytes(entry.get("base", name))
        require(f"{xxh3(before):016x}" == entry["base_checksum"], f"the base has another {name}")
        return change(delta, entry, tensors[name]["dtype"], before) if "change" in entry else before

    names = sorted(tensors, key=lambda name: tensors[name]["data_offsets"])
    return struct.pack("<Q", len(header)) + header + b"".join(tensor(name) for name in names)


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as compressed:
        data = compressed.read()
    if len(sys.argv) > 3:
        with open(sys.argv[3], "rb") as base:
            restored = restore_beside(data, base.read())
    else:
        restored = restore(data)
    with open(sys.argv[2], "wb") as output:
        output.write(restored)
