namespace Beam.ML.Vllm.Chat;

/// <summary>A chat template is malformed, asks for too much, or refuses a conversation; then the message is the template's own.</summary>
public sealed class ChatTemplateException : Exception
{
    /// <summary>Creates the error.</summary>
    public ChatTemplateException(string message) : base(message) { }

    /// <summary>Creates the error with its cause.</summary>
    public ChatTemplateException(string message, Exception innerException) : base(message, innerException) { }
}
