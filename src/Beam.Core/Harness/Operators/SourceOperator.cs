using Beam.Coders;
using Beam.Model.FnExecution;

namespace Beam.Harness;

/// <summary>Where the runner's elements enter a processor.</summary>
internal abstract class SourceOperator(OperatorContext context) : Operator(context)
{
    private readonly Lock _splitLock = new();
    private long _index = -1;
    private long _stop = long.MaxValue;

    /// <summary>The index of the element that is being processed; -1 before the first.</summary>
    public long ReadIndex => Volatile.Read(ref _index);

    /// <summary>Decodes elements and sends each through the processor.</summary>
    public abstract void Process(ReadOnlyMemory<byte> data);

    public override void StartBundle(BundleContext bundle)
    {
        lock (_splitLock)
        {
            _index = -1;
            _stop = long.MaxValue;
        }
    }

    /// <summary>Moves on to the next element, unless a split gave it away.</summary>
    protected bool TryAdvance()
    {
        // The write of the index and the read of the stop must not pass each other. The splitting side pays for that, with a
        // process-wide barrier, so that an element costs two plain accesses.
        var next = _index + 1;
        Volatile.Write(ref _index, next);
        return next < Volatile.Read(ref _stop) || ConfirmAdvance(next);
    }

    // A split that is not yet decided may have moved the stop: its lock says when it is.
    private bool ConfirmAdvance(long next)
    {
        lock (_splitLock)
        {
            if (next < _stop) return true;
            _index = _stop - 1;
            return false;
        }
    }

    /// <summary>Gives away elements that have not begun. The reply names the last that stays and the first that goes.</summary>
    public ProcessBundleSplitResponse.Types.ChannelSplit? TrySplit(ProcessBundleSplitRequest.Types.DesiredSplit desired)
    {
        lock (_splitLock)
        {
            var before = _stop;
            var index = Volatile.Read(ref _index);
            var end = Math.Min(desired.EstimatedInputElements, before);
            if (SplitPoint.Choose(index, end, desired.FractionOfRemainder, desired.AllowedSplitPoints) is not { } stop) return null;
            Volatile.Write(ref _stop, stop);
            Interlocked.MemoryBarrierProcessWide();
            if (Volatile.Read(ref _index) >= stop)
            {
                _stop = before; // the element has begun in the meantime
                return null;
            }

            return new() { TransformId = TransformId, LastPrimaryElement = stop - 1, FirstResidualElement = stop };
        }
    }
}

/// <summary>A source of <typeparamref name="T"/>.</summary>
internal sealed class SourceOperator<T>(OperatorContext context, string coderId) : SourceOperator(context)
{
    private readonly Coder<WindowedValue<T>> _coder = context.Coders.Get<WindowedValue<T>>(coderId);
    private readonly OutputEdge<T> _output = context.SingleEdge<T>();
    private IIterableStateReader? _state;

    public override void StartBundle(BundleContext bundle)
    {
        base.StartBundle(bundle);
        _state = bundle.IterableState;
        _output.Sizes ??= new SizeSampler();
    }

    public override void Process(ReadOnlyMemory<byte> data)
    {
        var before = Context.Enter();
        var reader = new CoderReader(data.Span, _state);
        var sizes = _output.Sizes!;
        while (!reader.AtEnd)
        {
            if (!TryAdvance()) break; // the rest belongs to somebody else now
            var start = reader.Position;
            var element = _coder.Decode(ref reader, nested: true);
            if (reader.Position == start) ThrowEmpty();
            sizes.Add(reader.Position - start);
            _output.Emit(in element);
        }

        Context.Leave(before);
    }

    private static void ThrowEmpty() => throw new CoderException("An element of a bundle takes no bytes; its coder must encode the window at least.");
}
