namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>Bounds what waits for the engine: sequences beyond are turned away, for a load balancer to try elsewhere or later.</summary>
internal sealed class Admission(int limit)
{
    private int _sequences;

    /// <summary>Sequences that have been let in and have not ended.</summary>
    public int Sequences => Volatile.Read(ref _sequences);

    /// <summary>Lets a request's sequences in, all of them or none.</summary>
    /// <exception cref="ApiException">There is no room for as many, now or at any time.</exception>
    public Pass Enter(int sequences)
    {
        if (sequences > limit)
        {
            throw ApiException.Invalid(
                $"The request asks for {sequences} sequences (its prompts times n, or best_of), and the server works on {limit} at a time. Ask for fewer, in several requests.", "n");
        }

        var now = Sequences;
        while (now <= limit - sequences)
        {
            var seen = now;
            now = Interlocked.CompareExchange(ref _sequences, seen + sequences, seen);
            if (now == seen) return new Pass(this, sequences);
        }

        throw ApiException.Overloaded($"The server has {now} of {limit} sequences to work on and takes no {sequences} more; try again later.");
    }

    public readonly struct Pass(Admission owner, int sequences) : IDisposable
    {
        public void Dispose() => Interlocked.Add(ref owner._sequences, -sequences);
    }
}
