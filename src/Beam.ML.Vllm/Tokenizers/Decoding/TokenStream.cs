namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Decodes a sequence token by token. Decoding a whole sequence is the same stream run to its end, so the two cannot differ.</summary>
internal abstract class TokenStream
{
    /// <summary>The text finished so far and not yet taken.</summary>
    public Utf8Text Output { get; } = new();

    public abstract void Push(int id);

    /// <summary>The sequence ends: whatever was held back goes to the output.</summary>
    public abstract void Flush();
}
