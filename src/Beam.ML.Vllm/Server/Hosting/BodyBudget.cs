namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>Bounds the memory of all bodies that are being read or worked on: requests beyond are turned away before theirs is read.</summary>
/// <param name="limit">Bytes that all of them may take.</param>
/// <param name="longest">Bytes that one of them may have.</param>
internal sealed class BodyBudget(long limit, int longest)
{
    private long _taken;

    /// <summary>Bytes that one body may have; the server refuses longer ones by itself.</summary>
    public int Longest => longest;

    /// <summary>Bytes that are taken.</summary>
    public long Taken => Volatile.Read(ref _taken);

    /// <exception cref="ApiException">There is no room for so many bytes now.</exception>
    public Share Take(long bytes)
    {
        var share = new Share(this);
        share.Resize(bytes);
        return share;
    }

    /// <summary>What one body takes.</summary>
    public sealed class Share(BodyBudget budget) : IDisposable
    {
        private long _bytes;

        /// <exception cref="ApiException">There is no room for so many bytes now.</exception>
        public void Resize(long bytes)
        {
            if (Interlocked.Add(ref budget._taken, bytes - _bytes) > budget.Limit && bytes > _bytes)
            {
                Interlocked.Add(ref budget._taken, _bytes - bytes);
                throw ApiException.Overloaded($"The server holds as many bytes of requests as it takes at a time, {budget.Limit}; try again later.");
            }

            _bytes = bytes;
        }

        public void Dispose() => Resize(0);
    }

    private long Limit => limit;
}
