using Beam.Model.Expansion;
using Beam.Model.FnExecution;
using Beam.Model.Interactive;
using Beam.Model.JobManagement;
using Beam.Model.Pipeline;
using Google.Protobuf.Reflection;

namespace Beam.Core.Tests.Protos;

/// <summary>The .proto files against tables of Beam's own, line by line in both directions.</summary>
public class ModelTablesTests
{
    private static readonly FileDescriptor[] Files =
    [
        BeamRunnerApiReflection.Descriptor, EndpointsReflection.Descriptor, SchemaReflection.Descriptor, MetricsReflection.Descriptor,
        ExternalTransformsReflection.Descriptor, StandardWindowFnsReflection.Descriptor, BeamFnApiReflection.Descriptor,
        BeamProvisionApiReflection.Descriptor, BeamJobApiReflection.Descriptor, BeamArtifactApiReflection.Descriptor,
        BeamExpansionApiReflection.Descriptor, BeamInteractiveApiReflection.Descriptor,
    ];

    [Test]
    public void Every_field_has_its_number_type_label_and_oneof()
    {
        var expected = TestData.Table("fields").Select(row =>
            $"{row["file"]} {row["message"]} {row["field"]} {row["number"]} {row["type"]} {row["label"]} {row["oneof"]}");
        Assert.That(AllMessages().SelectMany(Lines), Is.EquivalentTo(expected));

        static IEnumerable<string> Lines(MessageDescriptor message) => message.Fields.InDeclarationOrder().Count == 0
            ? [$"{message.File.Name} {message.FullName}     "]
            : message.Fields.InDeclarationOrder().Select(field =>
                $"{message.File.Name} {message.FullName} {field.Name} {field.FieldNumber} {TypeName(field)} {Label(field)} {field.RealContainingOneof?.Name}");
    }

    [Test]
    public void Every_enum_value_has_its_number_urn_and_constant()
    {
        var expected = TestData.Table("enums").Select(row =>
            $"{row["file"]} {row["enum"]} {row["value"]} {row["number"]} {row["urn"]} {row["constant"]}");
        var actual = AllEnums().SelectMany(e => e.Values.Select(value =>
            $"{e.File.Name} {TableName(e)} {value.Name} {value.Number} " +
            $"{value.GetOptions()?.GetExtension(BeamRunnerApiExtensions.BeamUrn)} {value.GetOptions()?.GetExtension(BeamRunnerApiExtensions.BeamConstant)}"));
        Assert.That(actual, Is.EquivalentTo(expected));
    }

    [Test]
    public void Every_service_method_has_its_types_and_streams()
    {
        var expected = TestData.Table("services").Select(row =>
            $"{row["file"]} {row["service"]} {row["method"]} {row["request"]} {row["request_stream"]} {row["response"]} {row["response_stream"]}");
        var actual = Files.SelectMany(file => file.Services).SelectMany(service => service.Methods.Select(method =>
            $"{service.File.Name} {service.FullName} {method.Name} {method.InputType.FullName} {(method.IsClientStreaming ? "stream" : "")} " +
            $"{method.OutputType.FullName} {(method.IsServerStreaming ? "stream" : "")}"));
        Assert.That(actual, Is.EquivalentTo(expected));
    }

    [Test]
    public void Every_metric_and_label_is_specified_as_runners_expect_it()
    {
        var expected = TestData.Table("monitoring").Select(row =>
            $"{row["value"]} {row["kind"]} {row["urn_or_label"]} {row["type"]} {row["required_labels"]}");
        var metrics = MonitoringInfoSpecs.Descriptor.EnumTypes[0].Values.Select(value =>
        {
            var spec = value.GetOptions().GetExtension(MetricsExtensions.MonitoringInfoSpec);
            return $"{value.Name} metric {spec.Urn} {spec.Type} {string.Join(",", spec.RequiredLabels)}";
        });
        var labels = MonitoringInfo.Descriptor.EnumTypes[0].Values.Select(value =>
            $"{value.Name} label {value.GetOptions().GetExtension(MetricsExtensions.LabelProps).Name}  ");
        Assert.That(metrics.Concat(labels), Is.EquivalentTo(expected));
    }

    internal static IEnumerable<EnumDescriptor> AllEnums() =>
        Files.SelectMany(file => file.EnumTypes).Concat(AllMessages().SelectMany(message => message.EnumTypes));

    // C# nests a class called Types in every message that nests something; a URN enum never travels, so its name is free.
    private static string TableName(EnumDescriptor e) => e.FullName.Replace("StandardArtifacts.TypeUrns", "StandardArtifacts.Types", StringComparison.Ordinal);

    private static IEnumerable<MessageDescriptor> AllMessages() => Files.SelectMany(file => file.MessageTypes).SelectMany(WithNested);

    private static IEnumerable<MessageDescriptor> WithNested(MessageDescriptor message) => message.NestedTypes.SelectMany(WithNested).Prepend(message);

    private static string TypeName(FieldDescriptor field) => field.FieldType switch
    {
        Google.Protobuf.Reflection.FieldType.Message => field.MessageType.FullName,
        Google.Protobuf.Reflection.FieldType.Enum => field.EnumType.FullName,
        var scalar => scalar.ToString().ToLowerInvariant(),
    };

    private static string Label(FieldDescriptor field) =>
        field.IsRepeated ? "repeated" : field.ContainingOneof is not null && field.RealContainingOneof is null ? "optional" : "";

}
