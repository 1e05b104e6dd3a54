namespace Beam.ML.Inference.Sharing;

/// <summary>A host died, hangs, or is not the one that was meant. What was asked of it may be asked of its successor.</summary>
internal class HostLostException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>A host has to go because there is one of a later generation.</summary>
internal sealed class HostSupersededException(string message) : HostLostException(message);
