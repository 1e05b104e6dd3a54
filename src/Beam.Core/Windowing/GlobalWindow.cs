namespace Beam;

/// <summary>The window of all time, where every collection starts.</summary>
public sealed class GlobalWindow : BoundedWindow
{
    /// <summary>The only one.</summary>
    public static readonly GlobalWindow Instance = new();

    /// <summary>The windows of an element that is in the global window: shared, so that comparing references recognizes it fast.</summary>
    public static readonly IReadOnlyList<BoundedWindow> Windows = [Instance];

    private GlobalWindow()
    {
    }

    /// <inheritdoc/>
    public override Timestamp MaxTimestamp => Timestamp.EndOfGlobalWindow;

    /// <inheritdoc/>
    public override string ToString() => "GlobalWindow";
}
