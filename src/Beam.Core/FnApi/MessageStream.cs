using System.Threading.Channels;

namespace Beam.FnApi;

/// <summary>Makes <see cref="IMessageStream{TRead,TWrite}"/>s.</summary>
internal static partial class MessageStream
{
    /// <summary>An in-memory pair over bounded channels: what one end writes the other reads. Disposing an end ends both directions.</summary>
    public static (IMessageStream<TA, TB> Left, IMessageStream<TB, TA> Right) CreatePair<TA, TB>(int capacity = 64)
    {
        var toLeft = Channel.CreateBounded<TA>(new BoundedChannelOptions(capacity) { SingleReader = true });
        var toRight = Channel.CreateBounded<TB>(new BoundedChannelOptions(capacity) { SingleReader = true });
        return (new ChannelEnd<TA, TB>(toLeft, toRight), new ChannelEnd<TB, TA>(toRight, toLeft));
    }

    private sealed class ChannelEnd<TRead, TWrite>(Channel<TRead> inbound, Channel<TWrite> outbound) : IMessageStream<TRead, TWrite>
    {
        public IAsyncEnumerable<TRead> ReadAllAsync(CancellationToken cancellationToken = default) => inbound.Reader.ReadAllAsync(cancellationToken);

        public async ValueTask WriteAsync(TWrite message, CancellationToken cancellationToken = default)
        {
            try
            {
                await outbound.Writer.WriteAsync(message, cancellationToken);
            }
            catch (ChannelClosedException e)
            {
                throw new IOException("The stream is closed.", e.InnerException);
            }
        }

        public ValueTask CompleteAsync(Exception? error = null)
        {
            outbound.Writer.TryComplete(error);
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync()
        {
            outbound.Writer.TryComplete();
            // A peer that still writes must not wait for a reader that is gone.
            inbound.Writer.TryComplete();
            while (inbound.Reader.TryRead(out _))
            {
            }

            return ValueTask.CompletedTask;
        }
    }
}
