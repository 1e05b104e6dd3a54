using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.PreTokenizers;

/// <summary>What becomes of the places that a pattern matches.</summary>
internal enum SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous }

/// <summary>Splits at the matches of a pattern; inverted, at what lies between them.</summary>
internal sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    private record struct Part(int Start, int End, bool IsMatch);

    public override void Split(ReadOnlySpan<char> text, bool first, IPieceSink sink)
    {
        using var parts = new PooledList<Part>(64);
        var done = 0;
        pattern.Match(text, sink.Time, (start, length) =>
        {
            if (start > done) parts.Add(new Part(done, start, invert));
            parts.Add(new Part(start, start + length, !invert));
            done = start + length;
        });
        if (done < text.Length) parts.Add(new Part(done, text.Length, invert));

        var count = Merge(parts.Span);
        foreach (var part in parts.Span[..count])
            if (behavior != SplitBehavior.Removed || !part.IsMatch) sink.Add(text[part.Start..part.End], first && part.Start == 0);
    }

    private int Merge(Span<Part> parts)
    {
        if (behavior is SplitBehavior.Removed or SplitBehavior.Isolated || parts.IsEmpty) return parts.Length;
        if (behavior == SplitBehavior.MergedWithNext) parts.Reverse();
        var count = 0;
        var previousIsMatch = false;
        foreach (var part in parts)
        {
            var joins = count > 0 && (behavior == SplitBehavior.Contiguous ? part.IsMatch == previousIsMatch : part.IsMatch && !previousIsMatch);
            if (joins)
            {
                ref var last = ref parts[count - 1];
                last = last with { Start = Math.Min(last.Start, part.Start), End = Math.Max(last.End, part.End) };
            }
            else parts[count++] = part;
            previousIsMatch = part.IsMatch;
        }
        if (behavior == SplitBehavior.MergedWithNext) parts[..count].Reverse();
        return count;
    }
}
