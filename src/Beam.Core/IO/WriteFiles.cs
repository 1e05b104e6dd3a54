using Beam.Coders.Standard;

namespace Beam.IO;

/// <summary>What the parts of a write know of its files.</summary>
/// <param name="Prefix">What all names begin with, in full.</param>
/// <param name="Suffix">What all names end with.</param>
/// <param name="NumShards">How many files; 0 for as many as there are bundles.</param>
/// <param name="Options">What is in them.</param>
/// <param name="TemporaryFolder">Where files are until all have been written.</param>
internal sealed record WriteSpec(string Prefix, string Suffix, int NumShards, WriteTextOptions Options, string TemporaryFolder)
{
    public Compression Compression => Compressions.Of(Prefix + Suffix, Options.Compression);
}

/// <summary>
/// Writes elements to files: every bundle, or every shard, to a temporary file of its own in a hidden folder beside the output; then, once,
/// those whose bundles succeeded get their final names, and the folder is deleted, by the runner if the job fails or is cancelled. Nothing that
/// fails or is repeated leaves a trace in the output.
/// </summary>
internal sealed class WriteFiles<T>(LineEncoder<T> encoder, string prefix, string suffix, int numShards, WriteTextOptions options, string name)
    : PTransform<PCollection<T>, PCollection<string>>
{
    public override string Name => name;

    public override PCollection<string> Expand(PCollection<T> input)
    {
        var spec = Check(input);
        input.Pipeline.Graph.TemporaryFolders.Add(spec.TemporaryFolder);
        var elements = input.Windowing.WindowFn is GlobalWindows ? input : input.WindowInto(GlobalWindows.Instance);
        var fileCoder = new KvCoder<int, string>(IntegerCoder<int, Varint64Format>.Instance, StringUtf8Coder.Instance);
        var written = numShards == 0
            ? elements.Apply(new ParDoTransform<T, KV<int, string>>(new WriteBundleFn<T>(spec, encoder), fileCoder), "WriteBundles")
            : elements
                .Apply(
                    new ParDoTransform<T, KV<int, T>>(
                        new AssignShardFn<T>(numShards), new KvCoder<int, T>(IntegerCoder<int, Varint64Format>.Instance, input.Coder)),
                    "AssignShards")
                .GroupByKey()
                .Apply(new ParDoTransform<KV<int, IEnumerable<T>>, KV<int, string>>(new WriteShardFn<T>(spec, encoder), fileCoder), "WriteShards");
        var names = input.Pipeline.Impulse()
            .Apply(new ParDoTransform<byte[], string>(new FinalizeFn(spec, written.AsList()), StringUtf8Coder.Instance), "Finalize");
        input.Pipeline.Impulse()
            .Apply(new ParDoTransform<byte[], string>(new DeleteTemporaryFolderFn(spec.TemporaryFolder, names.AsIterable()), StringUtf8Coder.Instance), "DeleteTemporaryFolder");
        return names;
    }

    private WriteSpec Check(PCollection<T> input)
    {
        if (!input.IsBounded) throw new PipelineConstructionException($"{name} to '{prefix}' never ends: the collection '{input.Id}' is unbounded.");
        if (numShards < 0) throw new PipelineConstructionException($"{name} to '{prefix}' with {numShards} shards: use 0 to let the runner decide.");
        if (!ShardNames.TellsShards(options.ShardNameTemplate) && numShards != 1)
        {
            throw new PipelineConstructionException(
                $"{name} to '{prefix}': the shard name template '{options.ShardNameTemplate}' has no S, so all shards would have one name. Pass numShards: 1.");
        }

        var system = FileSystems.For(prefix);
        var resolved = system.Resolve(prefix);
        var (folder, _) = system.Split(resolved);
        var spec = new WriteSpec(resolved, suffix, numShards, options, system.Combine(folder, $".temp-beam-{Guid.NewGuid():N}"));
        _ = spec.Compression;
        if (system is LocalFileSystem) system.CheckWritable(folder);
        return spec;
    }
}

/// <summary>Deals elements out evenly.</summary>
internal sealed class AssignShardFn<T>(int numShards) : DoFn<T, KV<int, T>>
{
    private int next;

    protected internal override bool ObservesWindow => false;

    // Bundles begin at different shards, or small ones would all fill the first.
    public override void StartBundle() => next = Random.Shared.Next(numShards);

    public override void ProcessElement(T element, ProcessContext<KV<int, T>> context)
    {
        context.Output(new KV<int, T>(next, element));
        next = (next + 1) % numShards;
    }
}

/// <summary>Writes the elements of each bundle to a file.</summary>
internal sealed class WriteBundleFn<T>(WriteSpec spec, LineEncoder<T> encoder) : DoFn<T, KV<int, string>>
{
    [Transient]
    private TemporaryFile? file;

    public override void StartBundle()
    {
        // What a bundle that failed left open.
        file?.Dispose();
        file = null;
    }

    public override void ProcessElement(T element, ProcessContext<KV<int, string>> context)
    {
        file ??= new TemporaryFile(spec);
        file.Write(element, encoder);
    }

    public override void FinishBundle(FinishBundleContext<KV<int, string>> context)
    {
        if (file is null) return;
        file.Complete();
        context.Output(KV.Of(-1, file.Path), Timestamp.EndOfGlobalWindow, GlobalWindow.Instance);
        file = null;
    }

    public override void Teardown() => file?.Dispose();
}

/// <summary>Writes the elements of each shard to a file.</summary>
internal sealed class WriteShardFn<T>(WriteSpec spec, LineEncoder<T> encoder) : DoFn<KV<int, IEnumerable<T>>, KV<int, string>>
{
    public override void ProcessElement(KV<int, IEnumerable<T>> element, ProcessContext<KV<int, string>> context)
    {
        using var file = new TemporaryFile(spec);
        foreach (var value in element.Value) file.Write(value, encoder);
        file.Complete();
        context.Output(KV.Of(element.Key, file.Path));
    }
}
