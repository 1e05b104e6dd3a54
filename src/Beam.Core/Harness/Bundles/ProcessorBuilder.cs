namespace Beam.Harness;

/// <summary>Makes the operators of one processor and ties them together.</summary>
internal sealed class ProcessorBuilder
{
    private readonly Dictionary<string, OutputEdge> _edges = [];

    public ProcessorBuilder(BundlePlan plan, HarnessServices services)
    {
        Plan = plan;
        Services = services;
        Tracker = new ExecutionTracker([.. plan.Transforms.Select(t => t.Transform.UniqueName)]);
        var operators = new Operator[plan.Transforms.Count];
        for (var i = 0; i < operators.Length; i++)
        {
            var transform = plan.Transforms[i];
            operators[i] = transform.Create(new OperatorContext(i, transform.Id, transform.Transform, this));
        }

        for (var i = 0; i < operators.Length; i++)
        {
            if (operators[i] is SourceOperator) continue;
            foreach (var input in plan.Transforms[i].MainInputs) Edge(input).Connect(operators[i], plan.Coders);
        }

        Operators = operators;
    }

    public BundlePlan Plan { get; }

    public HarnessServices Services { get; }

    public ExecutionTracker Tracker { get; }

    public IReadOnlyList<Operator> Operators { get; }

    public IReadOnlyCollection<OutputEdge> Edges => _edges.Values;

    /// <summary>The edge of a collection; there is one, whoever asks first.</summary>
    public OutputEdge Edge(string collectionId)
    {
        if (!_edges.TryGetValue(collectionId, out var edge))
        {
            edge = (OutputEdge)Generics.Create(typeof(OutputEdge<>), [Plan.Types[collectionId]], collectionId, Plan.CoderIdOf(collectionId));
            _edges.Add(collectionId, edge);
        }

        return edge;
    }
}
