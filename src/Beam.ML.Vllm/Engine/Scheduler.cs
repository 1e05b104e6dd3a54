using System.Diagnostics;
using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Decides what each step computes, as vLLM V1 does: there is no prefill phase and no decode phase, only sequences whose computed tokens
/// lag behind their known ones, and one budget of tokens a step. Running sequences come first; waiting ones join while budget and blocks
/// last. When blocks run out, the sequence that comes last in order gives its own back and starts over later.
/// </summary>
internal sealed class Scheduler
{
    private readonly BlockManager _blocks;
    private readonly IComparer<Sequence> _order;
    private readonly List<Sequence> _running = [];
    private readonly SortedSet<Sequence> _waiting;
    private readonly SchedulerOutput _output = new();
    private readonly int _maxSequences;
    private readonly int _maxTokens;
    private readonly NgramProposer? _proposer;
    private readonly LoraSlots _adapters;
    private readonly AdapterCounts _waitingAdapters = new();
    private long _arrivals;

    /// <param name="blocks">The cache.</param>
    /// <param name="maxNumSequences">Sequences that run at a time.</param>
    /// <param name="maxNumBatchedTokens">Tokens in a step, drafts included.</param>
    /// <param name="policy">The order of service.</param>
    /// <param name="maxLoras">Different adapters among the running.</param>
    /// <param name="proposer">Drafts tokens; null for none.</param>
    public Scheduler(
        BlockManager blocks, int maxNumSequences, int maxNumBatchedTokens, SchedulingPolicy policy, int maxLoras = int.MaxValue, NgramProposer? proposer = null)
    {
        _blocks = blocks;
        (_maxSequences, _maxTokens) = (maxNumSequences, maxNumBatchedTokens);
        (_adapters, _proposer) = (new LoraSlots(maxLoras), proposer);
        _order = policy == SchedulingPolicy.Priority
            ? Comparer<Sequence>.Create((a, b) => (a.Priority, a.Arrival, a.Number).CompareTo((b.Priority, b.Arrival, b.Number)))
            : Comparer<Sequence>.Create((a, b) => (a.Arrival, a.Number).CompareTo((b.Arrival, b.Number)));
        _waiting = new SortedSet<Sequence>(_order);
    }

    /// <summary>In the order of the policy.</summary>
    public IReadOnlyList<Sequence> Running => _running;

    public IReadOnlyCollection<Sequence> Waiting => _waiting;

    /// <summary>The names of the adapters that run, and of those that sequences wait with; from any thread.</summary>
    public (IReadOnlyList<string> Running, IReadOnlyList<string> Waiting) Adapters => (_adapters.Names, _waitingAdapters.Names);

    public long Preemptions { get; private set; }

    public bool HasUnfinished => _running.Count > 0 || _waiting.Count > 0;

    public void Add(Sequence sequence)
    {
        sequence.Number = _arrivals++;
        sequence.Arrival = sequence.Search is { } search ? search.Value ??= sequence.Number : sequence.Number;
        sequence.Status = SequenceStatus.Waiting;
        Wait(sequence);
    }

    /// <summary>The next step's work, empty only if there is none. It is valid until the next call, and must be computed before it.</summary>
    public SchedulerOutput Schedule()
    {
        _output.Clear();
        if (ScheduleRunning())
        {
            Draft();
            ScheduleWaiting();
        }

        if (_output.Scheduled.Count > 0) return _output;
        if (HasUnfinished) throw new InvalidOperationException("The KV cache is too small for a single sequence.");
        return _output;
    }

    /// <summary>
    /// Notes that a step has been computed, and its tokens appended: a sequence advances by the known tokens that were scheduled, and by
    /// those of the draft that came true. What the cache holds of the others is overwritten when their positions are computed again.
    /// </summary>
    public void Advance(ScheduledTokens scheduled)
    {
        var sequence = scheduled.Sequence;
        sequence.ComputedTokens = scheduled.KnownEnd;
        if (scheduled.Drafts > 0)
        {
            // The last token was sampled after those that came true.
            sequence.ComputedTokens += Math.Max(0, sequence.Length - scheduled.KnownEnd - 1);
            sequence.SetDraft([]);
            _blocks.Publish(sequence, scheduled.KnownEnd, sequence.ComputedTokens);

            // What was taken for drafts that did not come true may be what another lacks in the next step.
            _blocks.Shrink(sequence, sequence.ComputedTokens);
        }

        sequence.Times.Steps++;
        sequence.Times.BatchSizes += _output.Scheduled.Count;
    }

    /// <summary>Takes a sequence out, wherever it is, and gives its blocks back.</summary>
    public void Remove(Sequence sequence)
    {
        switch (sequence.Status)
        {
            case SequenceStatus.Running:
                _running.Remove(sequence);
                _adapters.Leave(sequence.Lora);
                break;
            case SequenceStatus.Waiting:
                WaitNoMore(sequence);
                break;
            default:
                return;
        }

        _blocks.Free(sequence);
        sequence.Status = SequenceStatus.Outside;
    }

    /// <summary>Returns whether there were blocks for all; if not, sequences have been preempted.</summary>
    private bool ScheduleRunning()
    {
        var preempted = false;

        // The order of the list is the order of service, so that a victim, the last, has never been scheduled in this step.
        for (var i = 0; i < _running.Count && _output.TotalTokens < _maxTokens; i++)
        {
            var sequence = _running[i];
            var tokens = Math.Min(sequence.Length - sequence.ComputedTokens, _maxTokens - _output.TotalTokens);
            while (!_blocks.TryGrow(sequence, sequence.ComputedTokens + tokens))
            {
                var victim = _running[^1];
                Preempt(victim);
                preempted = true;
                if (victim == sequence) return false;
            }

            Take(sequence, tokens);
        }

        return !preempted;
    }

    /// <summary>Guesses tokens of those that run, over the budget and the blocks that the certain ones of all have left.</summary>
    private void Draft()
    {
        if (_proposer is null) return;
        for (var i = 0; i < _output.Scheduled.Count && _output.TotalTokens < _maxTokens; i++)
        {
            var (sequence, _, _, samples, _) = _output.Scheduled[i];
            if (!samples || sequence.Pools) continue;
            var drafts = _proposer.Propose(sequence, _maxTokens - _output.TotalTokens);
            if (_blocks.TryGrow(sequence, sequence.Length + drafts)) _output.AddDrafts(i, drafts);
            else sequence.SetDraft([]);
        }
    }

    private void ScheduleWaiting()
    {
        _adapters.BeginStep();
        while (_running.Count < _maxSequences && _output.TotalTokens < _maxTokens && _adapters.NextOf(_waiting) is { } sequence)
        {
            var cached = _blocks.AttachPrefix(sequence);
            var tokens = Math.Min(sequence.Length - cached, _maxTokens - _output.TotalTokens);

            // There must be room for all of it, not for the first piece alone: it would run out of blocks further on, and start over.
            if (!_blocks.CanGrow(sequence, sequence.Length) || !_blocks.TryGrow(sequence, cached + tokens))
            {
                _blocks.Free(sequence);
                return;
            }

            WaitNoMore(sequence);
            _adapters.Enter(sequence);
            sequence.ComputedTokens = cached;
            sequence.Status = SequenceStatus.Running;
            if (sequence.Times.Scheduled == 0)
            {
                sequence.Times.Scheduled = Stopwatch.GetTimestamp();
                sequence.Times.CachedTokens = cached;
                _blocks.CountPrefix(sequence, cached);
            }

            var place = _running.BinarySearch(sequence, _order);
            _running.Insert(~place, sequence);
            Take(sequence, tokens);
        }
    }

    private void Take(Sequence sequence, int tokens)
    {
        _output.Add(sequence, tokens);

        // Others may share these blocks from now on, in this very step: each layer writes all its keys and values before it reads any.
        // What is drafted later becomes known when it has come true.
        _blocks.Publish(sequence, sequence.ComputedTokens, sequence.ComputedTokens + tokens);
    }

    private void Preempt(Sequence victim)
    {
        _running.RemoveAt(_running.Count - 1);
        _adapters.Leave(victim.Lora);
        _blocks.Free(victim);
        victim.ComputedTokens = 0;
        victim.Status = SequenceStatus.Waiting;
        victim.Times.Preemptions++;
        Wait(victim);
        Preemptions++;
    }

    private void Wait(Sequence sequence)
    {
        _waiting.Add(sequence);
        _waitingAdapters.Add(sequence.Lora);
    }

    private void WaitNoMore(Sequence sequence)
    {
        _waiting.Remove(sequence);
        _waitingAdapters.Remove(sequence.Lora);
    }
}
