using Beam.ML.Vllm.Tokenizers.Decoding;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>Runs tokens through the stages of a tokenizer.json's decoder.</summary>
internal sealed class JsonTokenStream : TokenStream
{
    private readonly JsonTokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly DecoderStage _first;

    public JsonTokenStream(JsonTokenizer tokenizer, DecoderPlan plan, bool skipSpecialTokens)
    {
        (_tokenizer, _skipSpecialTokens) = (tokenizer, skipSpecialTokens);
        _first = plan.Build(new OutputStage(Output));
    }

    public override void Push(int id)
    {
        if (_skipSpecialTokens && _tokenizer.IsSpecial(id)) return;
        if (_tokenizer.TryGetContent(id, out var content)) _first.Push(content);
    }

    public override void Flush() => _first.Flush();

    private sealed class OutputStage(Utf8Text output) : DecoderStage(null)
    {
        public override void Push(ReadOnlySpan<byte> token) => output.Append(token);

        public override void Flush() => output.Finish();
    }
}
