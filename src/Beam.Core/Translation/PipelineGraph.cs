using System.Security.Cryptography;
using Beam.Coders;
using Beam.Model.Pipeline;
using Beam.Serialization;
using Google.Protobuf;
using Coder = Beam.Coders.Coder;

namespace Beam.Translation;

/// <summary>
/// The pipeline proto while it is being built: transforms, collections, coders and windowing strategies go straight into their portable
/// form. Ids are readable and depend on names alone, so that the same program always gives the same graph.
/// </summary>
internal sealed class PipelineGraph
{
    public const string EnvironmentId = "dotnet";

    private readonly Pipeline pipeline;
    private readonly Components components = new();
    private readonly List<string> roots = [];
    private readonly Stack<TransformNode> open = new();
    private readonly CoderTranslator coders;
    private int defaults;

    public PipelineGraph(Pipeline pipeline)
    {
        this.pipeline = pipeline;
        coders = new CoderTranslator(components.Coders, DotnetPayloads.Instance);
        components.Environments.Add(EnvironmentId, DotnetEnvironment.Create());
    }

    public Pipeline Pipeline => pipeline;

    /// <summary>What the runner deletes when a job does not end well.</summary>
    public IO.TemporaryFolders TemporaryFolders { get; } = new();

    /// <summary>What tells views with defaults apart: their number in the order in which the program makes them.</summary>
    public int NextDefault() => ++defaults;

    /// <summary>Opens a transform; those that are applied until it is disposed are its parts.</summary>
    public TransformNode Begin(string name, IPValue input)
    {
        if (name.Length == 0) throw new PipelineConstructionException("A transform has an empty name; give it one.");
        foreach (var (_, collection) in input.Collections)
        {
            if (collection.Pipeline != pipeline)
                throw new PipelineConstructionException($"'{name}' is applied to the collection '{collection.Id}', which belongs to another pipeline.");
        }

        var prefix = open.TryPeek(out var parent) ? parent.FullName + "/" : "";
        var fullName = prefix + name;
        for (var n = 2; components.Transforms.ContainsKey(fullName); n++)
            fullName = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{prefix}{name}_{n}");
        var proto = new PTransform { UniqueName = fullName };
        components.Transforms.Add(fullName, proto);
        if (parent is null) roots.Add(fullName);
        else parent.Proto.Subtransforms.Add(fullName);
        var node = new TransformNode(this, fullName, proto, input);
        open.Push(node);
        return node;
    }

    public void End(TransformNode node)
    {
        if (open.Pop() != node) throw new InvalidOperationException($"Transform '{node.FullName}' ends while one of its parts is open.");
    }

    /// <summary>The transform that is being expanded.</summary>
    public TransformNode Current => open.Peek();

    public PCollection<T> AddCollection<T>(string id, Coder<T> coder, WindowingStrategy windowing, bool isBounded)
    {
        components.Pcollections.Add(id, new Model.Pipeline.PCollection
        {
            UniqueName = id,
            CoderId = AddCoder(coder),
            WindowingStrategyId = AddWindowingStrategy(windowing),
            IsBounded = isBounded ? IsBounded.Types.Enum.Bounded : IsBounded.Types.Enum.Unbounded,
        });
        return new PCollection<T>(pipeline, id, coder, windowing, isBounded);
    }

    public void SetCoder(string collectionId, Coder coder) => components.Pcollections[collectionId].CoderId = AddCoder(coder);

    public string AddCoder(Coder coder) => coders.ToProto(coder);

    /// <summary>The coder of a type, or an error that says which transform needs it.</summary>
    public Coder<T> CoderFor<T>(string transformName, string what = "output")
    {
        try
        {
            return pipeline.Coders.Get<T>();
        }
        catch (CoderNotFoundException e)
        {
            throw new PipelineConstructionException($"The {what} of transform '{transformName}' has no coder: {e.Message}", e);
        }
    }

    public string AddWindowingStrategy(WindowingStrategy strategy)
    {
        var proto = WindowingTranslation.ToProto(strategy, AddCoder(strategy.WindowFn.WindowCoder), EnvironmentId);
        var id = "windowing_" + Convert.ToHexStringLower(SHA256.HashData(proto.ToByteArray()).AsSpan(0, 6));
        components.WindowingStrategies[id] = proto;
        return id;
    }

    public Model.Pipeline.Pipeline ToProto()
    {
        var proto = new Model.Pipeline.Pipeline { Components = components.Clone() };
        proto.RootTransformIds.AddRange(roots);
        return proto;
    }
}
