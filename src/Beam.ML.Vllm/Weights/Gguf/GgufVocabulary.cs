namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>The kinds of tokens, by the numbers that GGUF has for them.</summary>
internal enum GgufTokenKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>A tokenizer in llama.cpp's terms.</summary>
/// <param name="model">Its algorithm: <c>llama</c> merges by scores, <c>gpt2</c> by a list of merges over bytes, <c>t5</c> is a unigram model.</param>
internal sealed class GgufVocabulary(string model)
{
    public string Model => model;

    /// <summary>How text is cut before merging, where the algorithm does.</summary>
    public string? Pre { get; init; }

    public List<byte[]?> Tokens { get; } = [];

    public List<float> Scores { get; } = [];

    public List<GgufTokenKind> Kinds { get; } = [];

    public List<byte[]> Merges { get; } = [];

    public bool AddSpacePrefix { get; set; }

    public bool RemoveExtraWhitespaces { get; set; }

    public byte[] PrecompiledCharsMap { get; set; } = [];

    public void Set(int id, byte[] token, GgufTokenKind kind, float score = 0)
    {
        while (Tokens.Count <= id)
        {
            Tokens.Add(null);
            Scores.Add(0);
            Kinds.Add(GgufTokenKind.Unused);
        }

        (Tokens[id], Scores[id], Kinds[id]) = (token, score, kind);
    }

    /// <summary>The same token as another kind.</summary>
    public void Mark(int id, byte[] token, GgufTokenKind kind) => Set(id, token, kind, id < Scores.Count ? Scores[id] : 0);
}
