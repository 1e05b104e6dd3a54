using Beam.ML.Vllm.Tokenizers.SentencePiece;

namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>A tokenizer.model: pieces, scores and types are what GGUF has as well.</summary>
internal static class GgufSentencePiece
{
    public static GgufVocabulary Read(string path, List<string> warnings)
    {
        var model = SentencePieceModel.Load(path);
        var vocabulary = new GgufVocabulary(model.Algorithm == SentencePieceAlgorithm.Bpe ? "llama" : "t5")
        {
            Pre = "default",
            AddSpacePrefix = model.AddDummyPrefix,
            RemoveExtraWhitespaces = model.RemoveExtraWhitespaces,
            PrecompiledCharsMap = model.PrecompiledCharsMap,
        };
        for (var id = 0; id < model.Count; id++) vocabulary.Set(id, model.Pieces[id].ToArray(), (GgufTokenKind)model.Types[id], model.Scores[id]);
        if (vocabulary.Model == "llama" && (model.RemoveExtraWhitespaces || model.PrecompiledCharsMap.Length > 0))
            warnings.Add($"'{path}' normalizes text (extra blanks, or characters), which llama.cpp does not for models of this kind: such texts get other tokens.");
        return vocabulary;
    }
}
