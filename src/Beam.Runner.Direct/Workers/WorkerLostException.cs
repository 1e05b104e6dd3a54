namespace Beam.Runner.Direct.Workers;

/// <summary>A worker is gone, and with it what it was doing.</summary>
internal sealed class WorkerLostException(string message, Exception? innerException = null) : Exception(message, innerException);
