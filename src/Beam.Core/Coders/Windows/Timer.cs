namespace Beam.Coders.Windows;

/// <summary>A timer that was set or cleared, as it travels between a harness and a runner.</summary>
/// <param name="Key">The key whose state it belongs to.</param>
/// <param name="DynamicTag">Which timer of its family; empty for the only one.</param>
/// <param name="Windows">The windows of the key's elements.</param>
/// <param name="IsCleared">Whether the timer shall not fire; the rest has no meaning then.</param>
/// <param name="FireTimestamp">When it fires, in the time domain of its family.</param>
/// <param name="HoldTimestamp">Where it holds the watermark; the timestamp of what its callback emits.</param>
/// <param name="Pane">The pane of the element that set it.</param>
internal readonly record struct Timer<TKey>(
    TKey Key,
    string DynamicTag,
    IReadOnlyList<BoundedWindow> Windows,
    bool IsCleared,
    Timestamp FireTimestamp,
    Timestamp HoldTimestamp,
    PaneInfo Pane);
