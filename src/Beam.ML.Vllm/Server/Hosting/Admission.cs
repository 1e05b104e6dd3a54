namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>Bounds what waits for the engine: sequences beyond are turned away, for a load balancer to try elsewhere or later.</summary>
internal sealed class Admission(int limit)
{
    private int _sequences;

    /// <summary>Sequences that have been let in and have not ended.</summary>
    public int Sequences => Volatile.Read(ref _sequences);

    /// <summary>Lets a request's sequences in, all of them, as long as there is room for one.</summary>
    /// <exception cref="ApiException">There is none.</exception>
    public Pass Enter(int sequences)
    {
        if (Interlocked.Add(ref _sequences, sequences) - sequences < limit) return new Pass(this, sequences);
        Interlocked.Add(ref _sequences, -sequences);
        throw ApiException.Overloaded($"The server has {limit} sequences to work on and takes no more; try again later.");
    }

    public readonly struct Pass(Admission owner, int sequences) : IDisposable
    {
        public void Dispose() => Interlocked.Add(ref owner._sequences, -sequences);
    }
}
