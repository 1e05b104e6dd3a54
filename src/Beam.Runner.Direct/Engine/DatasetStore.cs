namespace Beam.Runner.Direct.Engine;

/// <summary>
/// What the datasets of a job hold. Only committed bundles write; a dataset is read when it is complete, and let go after its last
/// reader. Contents are ordered by stage and bundle, whatever finished first.
/// </summary>
internal sealed class DatasetStore
{
    private readonly Dictionary<Dataset, State> _states;

    public DatasetStore(Plan plan)
    {
        _states = plan.Datasets.ToDictionary(dataset => dataset, _ => new State());
        foreach (var stage in plan.Stages)
        {
            foreach (var dataset in stage.Writes) _states[dataset].Writers++;
            foreach (var dataset in stage.Reads) _states[dataset].Readers++;
        }
    }

    /// <summary>Whether every stage that writes the dataset is done.</summary>
    public bool IsComplete(Dataset dataset) => _states[dataset].Writers == 0;

    /// <summary>Adds what a bundle has written.</summary>
    public void Commit(Dataset dataset, int stage, int bundle, IReadOnlyList<Chunk> chunks)
    {
        var state = _states[dataset];
        if (chunks.Count > 0 && state.Readers > 0) state.Contents.Add((stage, bundle), chunks);
    }

    /// <summary>A stage writes no more.</summary>
    public void CompleteWriter(Dataset dataset) => _states[dataset].Writers--;

    /// <summary>A stage reads no more; after the last one the contents are let go.</summary>
    public void CompleteReader(Dataset dataset)
    {
        var state = _states[dataset];
        if (--state.Readers > 0) return;
        state.Contents.Clear();
        state.Views.Clear();
    }

    /// <summary>The contents of a complete dataset.</summary>
    public IReadOnlyList<Chunk> Read(Dataset dataset) => [.. _states[dataset].Contents.Values.SelectMany(chunks => chunks)];

    /// <summary>A view of a complete dataset, made once and on another thread: a large one takes seconds.</summary>
    public Task<SideInputView> ViewAsync(Dataset dataset, AccessPattern access)
    {
        var views = _states[dataset].Views;
        if (!views.TryGetValue(access, out var view))
        {
            var chunks = Read(dataset);
            views.Add(access, view = Task.Run(() => SideInputView.Create(access, dataset, chunks)));
        }

        return view;
    }

    private sealed class State
    {
        public int Writers;
        public int Readers;

        public SortedDictionary<(int Stage, int Bundle), IReadOnlyList<Chunk>> Contents { get; } = [];

        public Dictionary<AccessPattern, Task<SideInputView>> Views { get; } = [];
    }
}
