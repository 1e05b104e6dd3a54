namespace Beam.ML.Inference.Sharing;

/// <summary>A host died, hangs, or is not the one that was meant. What was asked of it may be asked of its successor.</summary>
internal sealed class HostLostException(string message, Exception? innerException = null) : Exception(message, innerException);
