using Beam.Coders;

namespace Beam.Schemas;

internal static class RowCoderFactory
{
    /// <summary>The coder of rows of a schema as a .NET type, or as <see cref="Row"/>.</summary>
    internal static Coder Create(Schema schema, Type? type) => type is null || type == typeof(Row) || type == typeof(object)
        ? new DynamicRowCoder(schema)
        : CoderFactory.Make(typeof(RowCoder<>), [type], schema);
}
