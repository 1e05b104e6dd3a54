using System.Text;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Normalizers;

/// <summary>The normalization forms NFC, NFD, NFKC and NFKD (Unicode Standard Annex #15).</summary>
internal sealed class UnicodeNormalizer(bool compatible, bool compose) : Normalizer
{
    // Hangul syllables are composed of letters by arithmetic (Unicode Standard, section 3.12).
    private const int SBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7, LCount = 19, VCount = 21, TCount = 28;
    private const int SCount = LCount * VCount * TCount;

    public override string Normalize(string text)
    {
        if (Ascii.IsValid(text)) return text;
        using var points = new PooledList<int>(text.Length + 16);
        foreach (var rune in text.EnumerateRunes()) Decompose(rune.Value, points);
        Reorder(points.Span);
        if (compose) points.Truncate(Compose(points.Span));
        var result = new StringBuilder(text.Length);
        Span<char> chars = stackalloc char[2];
        foreach (var point in points.Span) result.Append(chars[..new Rune(point).EncodeToUtf16(chars)]);
        return result.ToString();
    }

    private void Decompose(int point, PooledList<int> points)
    {
        if (point is >= SBase and < SBase + SCount)
        {
            var index = point - SBase;
            points.Add(LBase + index / (VCount * TCount));
            points.Add(VBase + index % (VCount * TCount) / TCount);
            if (index % TCount > 0) points.Add(TBase + index % TCount);
            return;
        }
        var parts = point < 0xA0 ? default : UnicodeTables.Instance.Decomposition(point, compatible);
        if (parts.IsEmpty) points.Add(point);
        else points.AddRange(parts);
    }

    // Marks after a character stand in the order of their classes; marks of equal class keep theirs.
    private static void Reorder(Span<int> points)
    {
        for (var i = 0; i < points.Length; i++)
        {
            if (UnicodeTables.Instance.CombiningClass(points[i]) == 0) continue;
            var end = i + 1;
            while (end < points.Length && UnicodeTables.Instance.CombiningClass(points[end]) != 0) end++;
            if (end - i > 1)
            {
                var run = points[i..end];
                var sorted = run.ToArray().Select(p => (Point: p, Class: UnicodeTables.Instance.CombiningClass(p))).OrderBy(p => p.Class);
                var at = 0;
                foreach (var (point, _) in sorted) run[at++] = point;
            }
            i = end;
        }
    }

    private static int Compose(Span<int> points)
    {
        var tables = UnicodeTables.Instance;
        var (starter, lastClass, count) = (-1, -1, 0);
        foreach (var point in points)
        {
            var ownClass = tables.CombiningClass(point);
            // Blocked: something between the starter and here has no lower class.
            if (starter >= 0 && (lastClass < ownClass || lastClass < 0) && Pair(points[starter], point) is >= 0 and var composite)
            {
                points[starter] = composite;
                continue;
            }
            if (ownClass == 0)
            {
                starter = count;
                lastClass = -1;
            }
            else lastClass = ownClass;
            points[count++] = point;
        }
        return count;
    }

    private static int Pair(int first, int second)
    {
        if (first is >= LBase and < LBase + LCount && second is >= VBase and < VBase + VCount)
            return SBase + ((first - LBase) * VCount + (second - VBase)) * TCount;
        if (first is >= SBase and < SBase + SCount && (first - SBase) % TCount == 0 && second is > TBase and < TBase + TCount)
            return first + (second - TBase);
        return UnicodeTables.Instance.Compose(first, second);
    }
}
