using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers.Normalizers;
using Beam.ML.Vllm.Tokenizers.PreTokenizers;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>The <c>decoder</c> of a tokenizer.json, from which each sequence gets its own chain of stages.</summary>
internal sealed class DecoderPlan
{
    private readonly List<Func<DecoderStage, DecoderStage>> _stages = [];

    // Whether the stages so far made one token of all: what follows must treat the parts as one.
    private bool _fused;
    private bool _hasByteFallback;

    private DecoderPlan() { }

    public static DecoderPlan Create(JsonElement spec)
    {
        var plan = new DecoderPlan();
        if (spec.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined) plan._stages.Add(next => new JoinStage(next));
        else plan.Add(spec);
        return plan;
    }

    public DecoderStage Build(DecoderStage output)
    {
        for (var i = _stages.Count - 1; i >= 0; i--) output = _stages[i](output);
        return output;
    }

    /// <summary>The bytes that a token adds after another one.</summary>
    public byte[] TextBytes(ReadOnlySpan<byte> token)
    {
        if (_hasByteFallback && ByteFallbackStage.TryParse(token, out var value)) return [value];
        var alone = Run("a"u8, default);
        var both = Run("a"u8, token);
        return both.AsSpan().StartsWith(alone) ? both[alone.Length..] : both;
    }

    private byte[] Run(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        var bytes = new BytesStage();
        var stage = Build(bytes);
        stage.Push(first);
        if (!second.IsEmpty) stage.Push(second);
        stage.Flush();
        return bytes.ToArray();
    }

    private void Add(JsonElement spec)
    {
        var type = spec.Type("decoder");
        switch (type)
        {
            case "Sequence":
                foreach (var part in spec.List("decoders")) Add(part);
                break;
            case "ByteLevel":
                AddWhole(next => new ByteLevelStage(next));
                _fused = true;
                break;
            case "Fuse":
                _fused = true;
                break;
            case "Replace":
                var pattern = TextPattern.Create(spec.Get("pattern"));
                var replace = new ReplaceNormalizer(pattern, spec.Text("content"));
                var literal = pattern is LiteralPattern l ? Encoding.UTF8.GetBytes(l.Text) : null;
                AddWhole(next => new ReplaceStage(replace.Normalize, literal, next));
                break;
            case "ByteFallback":
                AddWhole(next => new ByteFallbackStage(next));
                _hasByteFallback = true;
                break;
            case "Strip":
                var content = Encoding.UTF8.GetBytes(spec.Text("content"));
                if (content.Length == 0) throw new TokenizerException("The decoder 'Strip' has no content.");
                var (start, stop) = (spec.Number("start", 0), spec.Number("stop", 0));
                if (_fused && content.Length == 1) _stages.Add(next => new StripPartsStage(content[0], start, stop, next));
                else AddWhole(next => new StripStage(content, start, stop, next));
                break;
            case "Metaspace":
                var replacement = spec.OptionalText("replacement") ?? "▁";
                if (replacement.Length == 0) throw new TokenizerException("The decoder 'Metaspace' has no replacement.");
                var scheme = spec.OptionalText("prepend_scheme") ?? (spec.Flag("add_prefix_space", true) ? "always" : "never");
                AddWhole(next => new MetaspaceStage(replacement, scheme != "never", next));
                break;
            case "WordPiece":
                var (prefix, cleanUp) = (spec.OptionalText("prefix") ?? "##", spec.Flag("cleanup", true));
                AddWhole(next => new WordPieceStage(prefix, cleanUp, next));
                break;
            case "BPEDecoder":
                var suffix = spec.OptionalText("suffix") ?? "</w>";
                AddWhole(next => new BpeSuffixStage(suffix, next));
                break;
            case "CTC":
                var (pad, delimiter, clean) = (spec.OptionalText("pad_token") ?? "<pad>", spec.OptionalText("word_delimiter_token") ?? "|", spec.Flag("cleanup", true));
                AddWhole(next => new CtcStage(pad, delimiter, clean, next));
                break;
            default:
                throw new TokenizerException($"The decoder '{type}' is not supported.");
        }
    }

    private void AddWhole(Func<DecoderStage, DecoderStage> stage)
    {
        if (_fused) _stages.Add(next => new CollectStage(stage(next)));
        else _stages.Add(stage);
    }

    private sealed class BytesStage() : DecoderStage(null)
    {
        private readonly List<byte> _bytes = [];

        public override void Push(ReadOnlySpan<byte> token) => _bytes.AddRange(token);

        public override void Flush()
        {
        }

        public byte[] ToArray() => [.. _bytes];
    }
}
