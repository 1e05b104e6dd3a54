using System.Buffers.Binary;
using Beam.Model;

namespace Beam.Coders.Windows;

/// <summary>Timestamp, windows, pane, and then the value. This is what flows between a runner and a harness.</summary>
internal sealed class WindowedValueCoder<T> : Coder<WindowedValue<T>>
{
    // Timestamp, one window without bytes, PaneInfo.NoFiring: what nearly every element of a batch pipeline begins with.
    private const int GlobalHeaderLength = 8 + 4 + 1;

    private readonly WindowListCoder _windows;
    private readonly Coder[] _components;

    public WindowedValueCoder(Coder<T> value, Coder window)
    {
        Value = value;
        _windows = new WindowListCoder(window);
        _components = [value, window];
    }

    internal Coder<T> Value { get; }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.WindowedValue;

    public override void Encode(WindowedValue<T> value, CoderWriter writer, bool nested)
    {
        if (_windows.IsGlobal && (ReferenceEquals(value.Windows, GlobalWindow.Windows) || value.Windows.Count == 1) && value.Pane == PaneInfo.NoFiring)
        {
            var header = writer.GetSpan(GlobalHeaderLength)[..GlobalHeaderLength];
            BinaryPrimitives.WriteInt64BigEndian(header, value.Timestamp.Milliseconds ^ long.MinValue);
            BinaryPrimitives.WriteInt32BigEndian(header[8..], 1);
            header[12] = PaneInfoFormat.NoFiring;
            writer.Advance(GlobalHeaderLength);
        }
        else
        {
            writer.WriteTimestamp(value.Timestamp);
            _windows.Encode(value.Windows, writer);
            PaneInfoFormat.Encode(value.Pane, writer);
        }

        Value.Encode(value.Value, writer, nested);
    }

    public override WindowedValue<T> Decode(ref CoderReader reader, bool nested)
    {
        if (_windows.IsGlobal && reader.Peek() is { Length: >= GlobalHeaderLength } bytes &&
            bytes[12] == PaneInfoFormat.NoFiring && BinaryPrimitives.ReadInt32BigEndian(bytes[8..]) == 1)
        {
            var time = reader.ReadTimestamp();
            reader.Skip(GlobalHeaderLength - 8);
            return new(Value.Decode(ref reader, nested), time, GlobalWindow.Windows, PaneInfo.NoFiring);
        }

        var timestamp = reader.ReadTimestamp();
        var windows = _windows.Decode(ref reader);
        var pane = PaneInfoFormat.Decode(ref reader);
        return new(Value.Decode(ref reader, nested), timestamp, windows, pane);
    }
}
