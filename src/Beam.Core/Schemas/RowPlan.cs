using Beam.Coders;

namespace Beam.Schemas;

/// <summary>A field of the bytes: the coder of its value, and the member that holds it, if the type has one.</summary>
internal sealed record PlannedField(Field Field, Coder Coder, RowMember? Member);

/// <summary>Which member of a type is which field of a schema, in the order of the bytes.</summary>
internal sealed record RowPlan(RowShape Shape, PlannedField[] Fields)
{
    internal static RowPlan Match(Schema schema, RowShape shape)
    {
        var unmatched = shape.Members.ToList();
        var fields = schema.EncodingOrder.Select(index =>
        {
            var field = schema.Fields[index];
            var member = unmatched.Find(m => m.Name == field.Name) ?? unmatched.Find(m => Plain(m.Name) == Plain(field.Name));
            if (member is not null) unmatched.Remove(member);
            var hint = member is null ? null : Nullable.GetUnderlyingType(member.Type) ?? member.Type;
            return new PlannedField(field, FieldCoders.For(field.Type, hint, $"{InferencePath.Name(shape.Type)}.{field.Name}"), member);
        }).ToArray();

        if (unmatched.Find(member => !member.IsNullable) is { } missing)
        {
            throw new CoderNotFoundException(
                $"{schema} cannot be read as {InferencePath.Name(shape.Type)}: it has no field '{missing.Name}', which is not nullable.");
        }

        return new RowPlan(shape, fields);
    }

    // Other languages name the same thing first_name or firstName.
    private static string Plain(string name) => name.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();
}
