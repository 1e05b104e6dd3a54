namespace Beam;

/// <summary>An element with its timestamp, its windows and its pane.</summary>
public readonly struct WindowedValue<T> : IEquatable<WindowedValue<T>>
{
    private readonly IReadOnlyList<BoundedWindow>? _windows;

    /// <summary>Makes an element of its parts. <paramref name="windows"/> is shared, not copied, and must not change.</summary>
    public WindowedValue(T value, Timestamp timestamp, IReadOnlyList<BoundedWindow> windows, PaneInfo pane)
    {
        Value = value;
        Timestamp = timestamp;
        _windows = windows;
        Pane = pane;
    }

    /// <summary>The element itself.</summary>
    public T Value { get; }

    /// <summary>Its event time.</summary>
    public Timestamp Timestamp { get; }

    /// <summary>The windows that it is in, at least one; shared between elements.</summary>
    public IReadOnlyList<BoundedWindow> Windows => _windows ?? GlobalWindow.Windows;

    /// <summary>The firing that it came out of.</summary>
    public PaneInfo Pane { get; }

    /// <summary>Another value with the same timestamp, windows and pane.</summary>
    public WindowedValue<TOther> With<TOther>(TOther value) => new(value, Timestamp, Windows, Pane);

    /// <summary>The same element with another timestamp.</summary>
    public WindowedValue<T> WithTimestamp(Timestamp timestamp) => new(Value, timestamp, Windows, Pane);

    /// <summary>The same element in other windows.</summary>
    public WindowedValue<T> WithWindows(IReadOnlyList<BoundedWindow> windows) => new(Value, Timestamp, windows, Pane);

    /// <summary>Whether value, timestamp, windows (in order) and pane are equal.</summary>
    public bool Equals(WindowedValue<T> other) =>
        EqualityComparer<T>.Default.Equals(Value, other.Value) && Timestamp == other.Timestamp && Pane == other.Pane &&
        (ReferenceEquals(Windows, other.Windows) || Windows.SequenceEqual(other.Windows));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is WindowedValue<T> other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Value, Timestamp, Pane, Windows.Count);

    /// <summary>Whether both are equal.</summary>
    public static bool operator ==(WindowedValue<T> left, WindowedValue<T> right) => left.Equals(right);

    /// <summary>Whether they differ.</summary>
    public static bool operator !=(WindowedValue<T> left, WindowedValue<T> right) => !left.Equals(right);

    /// <inheritdoc/>
    public override string ToString() => $"{Value} @ {Timestamp} in {string.Join(", ", Windows)}, {Pane}";
}

/// <summary>Makes <see cref="WindowedValue{T}"/>s.</summary>
public static class WindowedValue
{
    /// <summary>An element in the global window, with the earliest timestamp.</summary>
    public static WindowedValue<T> InGlobalWindow<T>(T value) => new(value, Timestamp.MinValue, GlobalWindow.Windows, PaneInfo.NoFiring);

    /// <summary>An element in the global window.</summary>
    public static WindowedValue<T> InGlobalWindow<T>(T value, Timestamp timestamp) =>
        new(value, timestamp, GlobalWindow.Windows, PaneInfo.NoFiring);

    /// <summary>An element in one window.</summary>
    public static WindowedValue<T> Of<T>(T value, Timestamp timestamp, BoundedWindow window) =>
        new(value, timestamp, window is GlobalWindow ? GlobalWindow.Windows : [window], PaneInfo.NoFiring);
}
