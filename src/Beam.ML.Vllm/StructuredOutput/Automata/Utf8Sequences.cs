using System.Text;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <summary>A set of characters as the byte sequences that UTF-8 writes them in.</summary>
internal static class Utf8Sequences
{
    private static readonly (int Low, int High)[] Lengths = [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xFFFF), (0x10000, 0x10FFFF)];

    /// <summary>Sequences of byte ranges, in order and without overlaps, that are together all characters of the set.</summary>
    public static List<(byte Low, byte High)[]> Of(CodePointSet set)
    {
        var result = new List<(byte, byte)[]>();
        foreach (var (low, high) in set.Ranges)
            for (var length = 1; length <= 4; length++)
            {
                var (first, last) = (Math.Max(low, Lengths[length - 1].Low), Math.Min(high, Lengths[length - 1].High));
                if (first <= last) Split(first, last, length, result);
            }
        return result;
    }

    // A range is one sequence if its ends differ in the last places only, and these run from the lowest to the highest.
    private static void Split(int low, int high, int length, List<(byte, byte)[]> result)
    {
        for (var places = 1; places < length; places++)
        {
            var mask = (1 << (6 * places)) - 1;
            if ((low & ~mask) == (high & ~mask)) continue;
            if ((low & mask) != 0)
            {
                Split(low, low | mask, length, result);
                Split((low | mask) + 1, high, length, result);
                return;
            }
            if ((high & mask) != mask)
            {
                Split(low, (high & ~mask) - 1, length, result);
                Split(high & ~mask, high, length, result);
                return;
            }
        }
        Span<byte> first = stackalloc byte[4];
        Span<byte> last = stackalloc byte[4];
        new Rune(low).EncodeToUtf8(first);
        new Rune(high).EncodeToUtf8(last);
        var sequence = new (byte, byte)[length];
        for (var i = 0; i < length; i++) sequence[i] = (first[i], last[i]);
        result.Add(sequence);
    }
}
