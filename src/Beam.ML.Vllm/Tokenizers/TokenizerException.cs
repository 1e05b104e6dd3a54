namespace Beam.ML.Vllm.Tokenizers;

/// <summary>A tokenizer's files are missing, malformed, or ask for something that is not supported. The message is one line that names the file.</summary>
public sealed class TokenizerException : Exception
{
    /// <summary>Creates the error.</summary>
    public TokenizerException(string message) : base(message) { }

    /// <summary>Creates the error with its cause.</summary>
    public TokenizerException(string message, Exception innerException) : base(message, innerException) { }
}
