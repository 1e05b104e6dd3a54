namespace Beam.ML.Vllm.Weights;

/// <summary>A model that cannot be loaded; the message is one line that names the file and says what to do.</summary>
public sealed class ModelLoadException : Exception
{
    /// <summary>An error without a message of its own.</summary>
    public ModelLoadException()
    {
    }

    /// <param name="message">What is wrong, with which file, and what to do.</param>
    public ModelLoadException(string message) : base(message)
    {
    }

    /// <param name="message">What is wrong, with which file, and what to do.</param>
    /// <param name="innerException">What was found first.</param>
    public ModelLoadException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
