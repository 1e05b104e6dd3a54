using System.Reflection;
using Beam.Model.Pipeline;
using Google.Protobuf;

namespace Beam.Translation;

/// <summary>The environment of functions written with this SDK.</summary>
internal static class DotnetEnvironment
{
    /// <summary>The environment that a runner in the same program replaces by its own way to start workers.</summary>
    public const string EmbeddedUrn = "beam:env:embedded_dotnet:v1";

    public static Model.Pipeline.Environment Create()
    {
        var version = typeof(DotnetEnvironment).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";
        var environment = new Model.Pipeline.Environment { Urn = EmbeddedUrn, Payload = ByteString.Empty };
        environment.Capabilities.AddRange(Capabilities);
        environment.Capabilities.Add($"beam:version:sdk_base:apache/beam_dotnet_sdk:{version}");
        return environment;
    }

    /// <summary>What the harness can do.</summary>
    private static readonly string[] Capabilities =
    [
        "beam:coder:bytes:v1", "beam:coder:bool:v1", "beam:coder:string_utf8:v1", "beam:coder:varint:v1", "beam:coder:double:v1",
        "beam:coder:kv:v1", "beam:coder:iterable:v1", "beam:coder:state_backed_iterable:v1", "beam:coder:length_prefix:v1",
        "beam:coder:global_window:v1", "beam:coder:interval_window:v1", "beam:coder:windowed_value:v1", "beam:coder:param_windowed_value:v1",
        "beam:coder:timer:v1", "beam:coder:row:v1", "beam:coder:nullable:v1", "beam:coder:sharded_key:v1",
        "beam:protocol:progress_reporting:v1", "beam:protocol:multi_core_bundle_processing:v1",
    ];
}
