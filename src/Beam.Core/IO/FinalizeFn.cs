namespace Beam.IO;

/// <summary>Gives the files of the bundles that succeeded their names.</summary>
internal sealed class FinalizeFn(WriteSpec spec, PCollectionView<IReadOnlyList<KV<int, string>>> written) : DoFn<byte[], string>
{
    public override void ProcessElement(byte[] element, ProcessContext<string> context)
    {
        foreach (var name in Finalization.Run(spec, context.SideInput(written))) context.Output(name);
    }
}

/// <summary>
/// Deletes the folder of temporary files. It is a step of its own because the one before may be repeated until its bundle has succeeded, and
/// needs the folder for that.
/// </summary>
internal sealed class DeleteTemporaryFolderFn(string folder, PCollectionView<IEnumerable<string>> finalized) : DoFn<byte[], string>
{
    // That the view is captured is what makes this step wait.
    private readonly PCollectionView<IEnumerable<string>> finalized = finalized;

    public override void ProcessElement(byte[] element, ProcessContext<string> context) => FileSystems.For(folder).DeleteFolder(folder);
}
