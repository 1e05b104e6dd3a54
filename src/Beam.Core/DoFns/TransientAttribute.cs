namespace Beam;

/// <summary>Marks a field that does not travel with its object: on a worker it has its default value until <c>Setup</c> fills it.</summary>
[AttributeUsage(AttributeTargets.Field)]
public sealed class TransientAttribute : Attribute;
