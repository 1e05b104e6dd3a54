using System.Threading.Channels;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Hands one request's outputs from the step loop to its reader. A reader that is slower than the engine finds what it missed merged into
/// one output, so nothing piles up and the loop never waits.
/// </summary>
internal sealed class OutputCollector(OutputKind kind)
{
    private readonly Lock _lock = new();
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private RequestOutput? _pending;
    private Exception? _failure;

    public void Publish(RequestOutput output)
    {
        lock (_lock) _pending = kind == OutputKind.Delta && _pending is { } unread ? Merge(unread, output) : output;
        _signal.Writer.TryWrite(true);
    }

    /// <summary>Ends the stream with an error, after what was published.</summary>
    public void Fail(Exception failure)
    {
        lock (_lock) _failure ??= failure;
        _signal.Writer.TryWrite(true);
    }

    /// <summary>The next output, as soon as there is one.</summary>
    public async ValueTask<RequestOutput> TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (_lock)
            {
                if (_pending is { } output)
                {
                    _pending = null;
                    return output;
                }

                if (_failure is { } failure) throw failure;
            }

            await _signal.Reader.ReadAsync(cancellationToken);
        }
    }

    private static RequestOutput Merge(RequestOutput unread, RequestOutput next)
    {
        var (a, b) = (unread.Outputs[0], next.Outputs[0]);
        return next with { Outputs = [b with { Text = a.Text + b.Text, TokenIds = [.. a.TokenIds, .. b.TokenIds] }] };
    }
}
