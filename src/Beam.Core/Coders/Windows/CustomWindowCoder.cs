using Beam.Coders.Standard;
using Beam.Model;

namespace Beam.Coders.Windows;

/// <summary>A window of the user's own, behind its last timestamp, so that a runner need not know the window itself.</summary>
internal sealed class CustomWindowCoder<TWindow> : Coder<TWindow>
    where TWindow : BoundedWindow
{
    private readonly Coder<TWindow> _window;
    private readonly Coder[] _components;

    public CustomWindowCoder(Coder<TWindow> window)
    {
        _window = window;
        _components = [window];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.CustomWindow;

    public override void Encode(TWindow value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        writer.WriteTimestamp(value.MaxTimestamp);
        _window.Encode(value, writer, nested: true);
    }

    public override TWindow Decode(ref CoderReader reader, bool nested)
    {
        reader.ReadTimestamp();
        return _window.Decode(ref reader, nested: true);
    }
}

/// <summary>The same bytes, for a runner that does not know the window: what follows the timestamp stays as it is.</summary>
internal sealed class EncodedWindowCoder : Coder<EncodedWindow>
{
    private readonly Coder<byte[]> _window;
    private readonly Coder[] _components;

    public EncodedWindowCoder(Coder<byte[]> window)
    {
        _window = window;
        _components = [window];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.CustomWindow;

    public override void Encode(EncodedWindow value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        writer.WriteTimestamp(value.MaxTimestamp);
        _window.Encode(value.Encoded.ToArray(), writer, nested: true);
    }

    public override EncodedWindow Decode(ref CoderReader reader, bool nested)
    {
        var maxTimestamp = reader.ReadTimestamp();
        return new EncodedWindow(maxTimestamp, _window.Decode(ref reader, nested: true));
    }
}
