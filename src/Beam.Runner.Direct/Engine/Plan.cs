namespace Beam.Runner.Direct.Engine;

/// <summary>How an element is framed on the wire. The runner never decodes what is inside a length prefix.</summary>
internal enum ElementFormat
{
    /// <summary><c>length_prefix(T)</c></summary>
    LengthPrefixed,

    /// <summary><c>kv(length_prefix(K), length_prefix(V))</c>, what GroupByKey and multimap side inputs read.</summary>
    KeyValue,

    /// <summary><c>kv(length_prefix(K), iterable(length_prefix(V)))</c>, what GroupByKey writes.</summary>
    KeyIterable,
}

/// <summary>How a window is framed on the wire.</summary>
internal enum WindowFormat
{
    /// <summary>The global window: no bytes.</summary>
    Global,

    /// <summary>An interval: its end (8 bytes) and its span (varint), in milliseconds.</summary>
    Interval,

    /// <summary>A window that only the SDK understands, behind a length prefix.</summary>
    Opaque,

    /// <summary>Behind a length prefix: the window's last timestamp (8 bytes), then what only the SDK understands.</summary>
    OpaqueWithMaxTimestamp,
}

/// <summary>The timestamp of a group.</summary>
internal enum GroupTimestamp
{
    EndOfWindow,
    Earliest,
    Latest,
}

/// <summary>How a stage asks for a side input.</summary>
internal enum AccessPattern
{
    Iterable,
    Multimap,
}

/// <summary>A PCollection that is materialised between stages.</summary>
internal sealed record Dataset(int Id, string Name, ElementFormat Elements, WindowFormat Windows)
{
    public bool Equals(Dataset? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => Id;
}

/// <summary>A unit of scheduling: it runs when all that it reads is complete.</summary>
internal abstract record Stage(int Id, string Name)
{
    /// <summary>The datasets that must be complete before the stage can start.</summary>
    public abstract IEnumerable<Dataset> Reads { get; }

    /// <summary>The datasets that the stage adds to.</summary>
    public abstract IEnumerable<Dataset> Writes { get; }
}

/// <summary>Makes one empty element in the global window.</summary>
internal sealed record ImpulseStage(int Id, string Name, Dataset Output) : Stage(Id, Name)
{
    public override IEnumerable<Dataset> Reads => [];

    public override IEnumerable<Dataset> Writes => [Output];
}

/// <summary>Groups by key and window.</summary>
internal sealed record GroupByKeyStage(int Id, string Name, Dataset Input, Dataset Output, GroupTimestamp Timestamps, bool MergesSessions)
    : Stage(Id, Name)
{
    public override IEnumerable<Dataset> Reads => [Input];

    public override IEnumerable<Dataset> Writes => [Output];
}

/// <summary>A side input of a stage: which transform asks for it, by which name, and what it is a view of.</summary>
internal sealed record SideInputSpec(string TransformId, string Name, AccessPattern Access, Dataset Dataset);

/// <summary>A chain of fused transforms that an SDK harness executes, bundle by bundle.</summary>
internal sealed record ExecutableStage(int Id, string Name) : Stage(Id, Name)
{
    /// <summary>Which harnesses can run it.</summary>
    public required string Environment { get; init; }

    /// <summary>The name by which harnesses know what to execute.</summary>
    public required string DescriptorId { get; init; }

    /// <summary>Where its elements come from.</summary>
    public required Dataset Input { get; init; }

    /// <summary>The transform that elements are sent to.</summary>
    public required string SourceTransformId { get; init; }

    /// <summary>The datasets that its sinks write, by the sink's transform id.</summary>
    public required IReadOnlyDictionary<string, Dataset> Sinks { get; init; }

    public required IReadOnlyList<SideInputSpec> SideInputs { get; init; }

    public override IEnumerable<Dataset> Reads => SideInputs.Select(side => side.Dataset).Prepend(Input).Distinct();

    public override IEnumerable<Dataset> Writes => Sinks.Values.Distinct();
}

/// <summary>What a job executes: stages, in any order, and the datasets between them.</summary>
internal sealed record Plan(IReadOnlyList<Stage> Stages, IReadOnlyList<Dataset> Datasets);
