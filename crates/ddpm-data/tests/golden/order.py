"""Prints the golden values of `the_order_is_frozen` (src/order.rs): the swap-or-not shuffle, written a second time.

    python3 crates/ddpm-data/tests/golden/order.py
"""

WORD = 2**64
GOLDEN = 0x9E3779B97F4A7C15
ROUNDS = 96


def mix(word):
    z = (word + GOLDEN) % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


def keyed_bits(seed, purpose, counter):
    return mix((mix((mix(seed) + purpose) % WORD) + counter) % WORD)


def index_of(seed, length, sample):
    epoch, x = divmod(sample, length)
    key = keyed_bits(seed, 1, epoch)
    for r in range(ROUNDS):
        round_key = mix((key + r * GOLDEN) % WORD)
        partner = (round_key * length // WORD - x) % length
        if mix((round_key + max(x, partner) * GOLDEN) % WORD) >> 63:
            x = partner
    return x


print([index_of(42, 50_000, g) for g in (0, 1, 2, 49_999, 50_000, 5_000_000)])
print([keyed_bits(42, 2, g) >> 63 == 1 for g in range(8)])
