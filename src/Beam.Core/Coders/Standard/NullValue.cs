namespace Beam.Coders.Standard;

internal static class NullValue
{
    internal static CoderException Refused(Coder coder) =>
        new($"A null {coder.Type} cannot be encoded: {coder} takes none. A value type T? or a property of a record that is declared " +
            "nullable may be null; elsewhere use a value that stands for nothing.");
}
