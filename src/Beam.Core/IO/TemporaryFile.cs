namespace Beam.IO;

/// <summary>A file of an attempt, with a name that no other attempt has.</summary>
internal sealed class TemporaryFile : IDisposable
{
    private static readonly TextEncoder Text = new();

    private readonly WriteSpec spec;
    private readonly Stream stream;
    private bool completed;

    public TemporaryFile(WriteSpec spec)
    {
        var system = FileSystems.For(spec.TemporaryFolder);
        this.spec = spec;
        Path = system.Combine(spec.TemporaryFolder, Guid.NewGuid().ToString("N"));
        stream = Compressions.Write(system.Create(Path), spec.Compression);
        if (spec.Options.Header is { } header) Write(header, Text);
    }

    public string Path { get; }

    public void Write<T>(T value, LineEncoder<T> encoder)
    {
        encoder.Write(value, stream);
        stream.WriteByte((byte)'\n');
    }

    /// <summary>Writes what is left and closes the file.</summary>
    public void Complete()
    {
        if (spec.Options.Footer is { } footer) Write(footer, Text);
        completed = true;
        stream.Dispose();
    }

    public void Dispose()
    {
        if (!completed) stream.Dispose();
    }
}
