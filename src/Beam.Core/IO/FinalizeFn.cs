namespace Beam.IO;

/// <summary>
/// Gives the files of the bundles that succeeded their names. It may be repeated: a file that has its name already is not there any more
/// under the other.
/// </summary>
internal sealed class FinalizeFn(WriteSpec spec, PCollectionView<string> folder, PCollectionView<IReadOnlyList<KV<int, string>>> written)
    : DoFn<byte[], string>
{
    public override void ProcessElement(byte[] element, ProcessContext<string> context)
    {
        var system = FileSystems.For(spec.Prefix);
        var temporary = context.SideInput(folder);
        // In an order that does not depend on that of the side input.
        var files = context.SideInput(written).OrderBy(f => f.Key).ThenBy(f => f.Value, StringComparer.Ordinal).ToArray();
        var count = spec.NumShards > 0 ? spec.NumShards : Math.Max(1, files.Length);
        var names = Enumerable.Range(0, count)
            .Select(shard => ShardNames.Of(spec.Prefix, spec.Options.ShardNameTemplate, spec.Suffix, shard, count)).ToArray();
        var filled = new bool[count];
        for (var i = 0; i < files.Length; i++)
        {
            var shard = spec.NumShards > 0 ? files[i].Key : i;
            if (system.Exists(files[i].Value)) system.Move(files[i].Value, names[shard]);
            else if (!system.Exists(names[shard])) throw new IOException($"The temporary file '{files[i].Value}' of '{names[shard]}' has disappeared.");
            filled[shard] = true;
        }

        // No elements is an output too, with a header if files have one.
        for (var shard = 0; shard < count; shard++)
        {
            if (filled[shard]) continue;
            using var empty = new TemporaryFile(spec, temporary);
            empty.Complete();
            system.Move(empty.Path, names[shard]);
        }

        system.DeleteFolder(temporary);
        foreach (var name in names) context.Output(name);
    }
}
