using System.Reflection;
using Beam.Model;
using Beam.Model.Pipeline;

namespace Beam.Core.Tests.Protos;

public class BeamUrnsTests
{
    [Test]
    public void The_constants_are_the_urns_of_the_protos_and_no_others()
    {
        var enums = ModelTablesTests.AllEnums().SelectMany(e => e.Values)
            .Select(value => value.GetOptions()?.GetExtension(BeamRunnerApiExtensions.BeamUrn)).Where(urn => !string.IsNullOrEmpty(urn));
        var metrics = MonitoringInfoSpecs.Descriptor.EnumTypes[0].Values
            .Select(value => value.GetOptions().GetExtension(MetricsExtensions.MonitoringInfoSpec).Urn);
        var labels = MonitoringInfo.Descriptor.EnumTypes[0].Values
            .Select(value => value.GetOptions().GetExtension(MetricsExtensions.LabelProps).Name);
        Assert.That(Constants().Select(constant => constant.Value), Is.EquivalentTo(enums.Concat(metrics).Concat(labels)));
    }

    [Test]
    public void Each_constant_is_named_as_its_enum_value_is()
    {
        var names = ModelTablesTests.AllEnums().SelectMany(e => e.Values.Select(value => (
                Name: value.Name == "PROPERTIES" ? e.ContainingType.Name.Replace("Payload", "", StringComparison.Ordinal) : value.Name,
                Urn: value.GetOptions()?.GetExtension(BeamRunnerApiExtensions.BeamUrn) ?? "")))
            .Where(pair => pair.Urn.Length > 0).ToLookup(pair => pair.Urn, pair => Plain(pair.Name));
        foreach (var (name, urn) in Constants().Where(constant => names.Contains(constant.Value)))
            Assert.That(names[urn], Has.Some.EqualTo(Plain(name)).Or.Some.EqualTo(Plain(name) + "TYPE"), urn);
    }

    private static string Plain(string name) => name.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();

    private static IEnumerable<(string Name, string Value)> Constants() =>
        typeof(BeamUrns).GetNestedTypes(BindingFlags.NonPublic | BindingFlags.Public)
            .SelectMany(group => group.GetFields(BindingFlags.Static | BindingFlags.NonPublic))
            .Where(constant => constant.IsLiteral).Select(constant => (constant.Name, (string)constant.GetRawConstantValue()!));
}
