namespace Beam.Serialization;

/// <summary>
/// The kinds of values in a payload. The format is described in this folder's README; numbers are never reused.
/// </summary>
internal enum NodeKind : byte
{
    Null = 0,

    /// <summary>An object that was written before: its number.</summary>
    Reference = 1,

    /// <summary>A value with a form of its own: the kind's code, then the value.</summary>
    Atom = 2,

    /// <summary>An enum value: type, then the number.</summary>
    Enum = 3,

    /// <summary>A <see cref="System.Type"/>.</summary>
    Type = 4,

    /// <summary>An array: element type, lengths of its dimensions, elements.</summary>
    Array = 5,

    /// <summary>A list, set, queue, stack or dictionary: type, comparer, count, elements (or keys and values).</summary>
    Collection = 6,

    /// <summary>A delegate: type, method, target.</summary>
    Delegate = 7,

    /// <summary>An object by its fields: type, count, (declaring type, name, value) each.</summary>
    Object = 8,

    /// <summary>A side input by its tag: the view's type, then the tag.</summary>
    View = 9,

    /// <summary>A coder in its portable form: element type, id, components.</summary>
    Coder = 10,
}
