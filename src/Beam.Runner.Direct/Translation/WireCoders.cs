using Beam.Model;
using Beam.Model.Pipeline;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Translation;

/// <summary>
/// The coders between harness and runner: windowed values whose parts the runner can step over, because everything that only an SDK
/// understands is behind a length prefix.
/// </summary>
internal static class WireCoders
{
    private const int MaxDepth = 64;

    /// <summary>A coder that something names.</summary>
    public static Coder Coder(Components components, string id) =>
        components.Coders.TryGetValue(id, out var coder) ? coder : throw new PipelineTranslationException($"The pipeline has no coder '{id}'.");

    /// <summary>The id of a coder with these components, added if there is none.</summary>
    public static string Add(Components components, string urn, params ReadOnlySpan<string> parts)
    {
        var id = $"{urn}({string.Join(',', parts!)})";
        if (components.Coders.ContainsKey(id)) return id;
        var coder = new Coder { Spec = new FunctionSpec { Urn = urn } };
        foreach (var part in parts) coder.ComponentCoderIds.Add(part);
        components.Coders.Add(id, coder);
        return id;
    }

    /// <summary>The coder of a dataset's elements, without window and timestamp.</summary>
    public static string Element(Components components, string pcollection, string coderId, ElementFormat format)
    {
        if (format == ElementFormat.LengthPrefixed) return LengthPrefixed(components, coderId);
        var (key, value) = Pair(components, pcollection, coderId);
        if (format == ElementFormat.KeyValue) return Add(components, BeamUrns.Coders.Kv, LengthPrefixed(components, key), LengthPrefixed(components, value));

        var iterable = Coder(components, value);
        if (iterable.Spec?.Urn is not (BeamUrns.Coders.Iterable or BeamUrns.Coders.StateBackedIterable) || iterable.ComponentCoderIds.Count != 1)
            throw new PipelineTranslationException($"PCollection '{pcollection}' is the output of a GroupByKey, but its values' coder is {iterable.Spec?.Urn}, not {BeamUrns.Coders.Iterable}.");
        var values = Add(components, BeamUrns.Coders.Iterable, LengthPrefixed(components, iterable.ComponentCoderIds[0]));
        return Add(components, BeamUrns.Coders.Kv, LengthPrefixed(components, key), values);
    }

    /// <summary>The coder of a dataset's elements with window, timestamp and pane.</summary>
    public static string Windowed(Components components, string elementCoderId, string windowCoderId)
    {
        var window = Format(components, windowCoderId) is WindowFormat.Global or WindowFormat.Interval
            ? windowCoderId
            : LengthPrefixed(components, windowCoderId);
        return Add(components, BeamUrns.Coders.WindowedValue, elementCoderId, window);
    }

    /// <summary>How windows of this coder look on the wire.</summary>
    public static WindowFormat Format(Components components, string windowCoderId) => Coder(components, windowCoderId).Spec?.Urn switch
    {
        BeamUrns.Coders.GlobalWindow => WindowFormat.Global,
        BeamUrns.Coders.IntervalWindow => WindowFormat.Interval,
        BeamUrns.Coders.CustomWindow => WindowFormat.OpaqueWithMaxTimestamp,
        _ => WindowFormat.Opaque,
    };

    /// <summary>Whether two coders encode alike, whatever their ids.</summary>
    public static bool AreSame(Components components, string a, string b) => AreSame(components, a, b, depth: 0);

    private static bool AreSame(Components components, string a, string b, int depth)
    {
        if (a == b) return true;
        if (depth > MaxDepth) return false;
        var (x, y) = (Coder(components, a), Coder(components, b));
        return Equals(x.Spec, y.Spec) && x.ComponentCoderIds.Count == y.ComponentCoderIds.Count &&
               x.ComponentCoderIds.Zip(y.ComponentCoderIds).All(pair => AreSame(components, pair.First, pair.Second, depth + 1));
    }

    private static string LengthPrefixed(Components components, string coderId) =>
        Coder(components, coderId).Spec?.Urn == BeamUrns.Coders.LengthPrefix ? coderId : Add(components, BeamUrns.Coders.LengthPrefix, coderId);

    private static (string Key, string Value) Pair(Components components, string pcollection, string coderId)
    {
        var coder = Coder(components, coderId);
        // A pair that is length-prefixed as a whole is a pair all the same: the prefix moves to its parts.
        if (coder.Spec?.Urn == BeamUrns.Coders.LengthPrefix && coder.ComponentCoderIds.Count == 1) coder = Coder(components, coder.ComponentCoderIds[0]);
        return coder.Spec?.Urn == BeamUrns.Coders.Kv && coder.ComponentCoderIds.Count == 2
            ? (coder.ComponentCoderIds[0], coder.ComponentCoderIds[1])
            : throw new PipelineTranslationException($"PCollection '{pcollection}' is grouped or looked up by key, but its coder is {coder.Spec?.Urn}, not {BeamUrns.Coders.Kv}.");
    }
}
