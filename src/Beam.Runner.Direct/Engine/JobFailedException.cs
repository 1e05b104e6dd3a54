namespace Beam.Runner.Direct.Engine;

/// <summary>A bundle failed too often. The message is the first line of what the harness reported; <see cref="Details"/> is all of it.</summary>
internal sealed class JobFailedException(string error, Exception? innerException = null) : Exception(FirstLine(error), innerException)
{
    /// <summary>The user's exception as the harness reported it, stack trace included.</summary>
    public string Details { get; } = error;

    public override string ToString() => Details;

    private static string FirstLine(string error)
    {
        var text = error.TrimStart();
        var end = text.IndexOfAny(['\r', '\n']);
        return end < 0 ? text : text[..end];
    }
}
