using System.Buffers.Binary;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>The double-array trie of a precompiled character map (Darts-clone's layout: one 32-bit unit a node), read in place.</summary>
internal sealed class DoubleArrayTrie
{
    private readonly uint[] _units;

    public DoubleArrayTrie(ReadOnlySpan<byte> units)
    {
        _units = new uint[units.Length / 4];
        for (var i = 0; i < _units.Length; i++) _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(units[(i * 4)..]);
    }

    /// <summary>The length of the longest key that the text starts with (0 if none) and its value.</summary>
    public int LongestPrefix(ReadOnlySpan<byte> text, out int value)
    {
        value = 0;
        var length = 0;
        if (_units.Length == 0) return 0;
        var at = Offset(_units[0]);
        for (var i = 0; i < text.Length; i++)
        {
            at ^= text[i];
            if (at >= (uint)_units.Length) break;
            var unit = _units[at];
            if ((unit & 0x800000FF) != text[i]) break;
            at ^= Offset(unit);
            if ((unit & 0x100) == 0) continue;
            if (at >= (uint)_units.Length) break;
            value = (int)(_units[at] & 0x7FFFFFFF);
            length = i + 1;
        }
        return length;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
}
