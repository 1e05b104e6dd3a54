namespace Beam.Schemas;

/// <summary>Logical types beyond those of the model: Java's, which it reads as well, and .NET's own.</summary>
internal static class LogicalTypeUrns
{
    internal const string NanosInstant = "beam:logical_type:nanos_instant:v1";
    internal const string NanosDuration = "beam:logical_type:nanos_duration:v1";
    internal const string Time = "beam:logical_type:time:v1";
    internal const string Uuid = "beam:logical_type:uuid:v1";

    /// <summary>A DateTime: ticks, and its kind in the two highest bits, as INT64.</summary>
    internal const string DotNetDateTime = "beam:logical_type:dotnet:date_time:v1";

    /// <summary>A char as INT32, because half of a surrogate pair is no text.</summary>
    internal const string DotNetChar = "beam:logical_type:dotnet:char:v1";

    /// <summary>A ulong as INT64 of the same bits.</summary>
    internal const string DotNetUInt64 = "beam:logical_type:dotnet:uint64:v1";

    /// <summary>A value of a registered coder as BYTES; the payload is the coder.</summary>
    internal const string DotNetCoder = "beam:logical_type:dotnet:coder:v1";
}
