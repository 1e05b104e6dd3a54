using Beam.Coders.Standard;
using Beam.Model;

namespace Beam.Coders.Windows;

/// <summary>Key, tag, windows, whether it is cleared, and if not, its timestamps and pane.</summary>
internal sealed class TimerCoder<TKey> : Coder<Timer<TKey>>
{
    private readonly Coder<TKey> _key;
    private readonly WindowListCoder _windows;
    private readonly Coder[] _components;

    public TimerCoder(Coder<TKey> key, Coder window)
    {
        _key = key;
        _windows = new WindowListCoder(window);
        _components = [key, window];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.Timer;

    public override void Encode(Timer<TKey> value, CoderWriter writer, bool nested)
    {
        _key.Encode(value.Key, writer, nested: true);
        writer.WriteLengthPrefixedUtf8(value.DynamicTag);
        _windows.Encode(value.Windows, writer);
        BoolCoder.Instance.Encode(value.IsCleared, writer, nested: true);
        if (value.IsCleared) return;
        writer.WriteTimestamp(value.FireTimestamp);
        writer.WriteTimestamp(value.HoldTimestamp);
        PaneInfoFormat.Encode(value.Pane, writer);
    }

    public override Timer<TKey> Decode(ref CoderReader reader, bool nested)
    {
        var key = _key.Decode(ref reader, nested: true);
        var tag = reader.ReadUtf8(reader.ReadLength());
        var windows = _windows.Decode(ref reader);
        if (BoolCoder.Instance.Decode(ref reader, nested: true))
            return new(key, tag, windows, true, default, default, PaneInfo.NoFiring);
        var fire = reader.ReadTimestamp();
        var hold = reader.ReadTimestamp();
        return new(key, tag, windows, false, fire, hold, PaneInfoFormat.Decode(ref reader));
    }
}
