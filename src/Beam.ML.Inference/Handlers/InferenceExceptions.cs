namespace Beam.ML.Inference;

/// <summary>A model refused or failed an example.</summary>
public sealed class InferenceException : BeamException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="errorType">The type of the exception that the model's handler threw.</param>
    /// <param name="message">Its message.</param>
    /// <param name="trace">Its stack trace, perhaps of another process.</param>
    public InferenceException(string errorType, string message, string trace) : base(message) => (ErrorType, Trace) = (errorType, trace);

    /// <summary>The type of the exception that the model's handler threw.</summary>
    public string ErrorType { get; }

    /// <summary>Its stack trace, perhaps of another process.</summary>
    public string Trace { get; }
}

/// <summary>A model cannot be loaded. Trying again would not help.</summary>
public sealed class ModelLoadException : BeamException, IDeterministicError
{
    /// <summary>Creates the exception.</summary>
    public ModelLoadException(string message) : base(message) { }

    /// <summary>Creates the exception with its cause.</summary>
    public ModelLoadException(string message, Exception? innerException) : base(message, innerException) { }
}

/// <summary>No host of the model answered a request, for as many attempts or as long as <see cref="ModelSharing"/> allows.</summary>
public sealed class ModelUnavailableException : BeamException
{
    /// <summary>Creates the exception.</summary>
    public ModelUnavailableException(string message, Exception? innerException = null) : base(message, innerException) { }
}
