// Package kubernetes checks the manifests of docs/kubernetes against the types of
// Kubernetes. It is a module of its own, so that the service does not depend on those.
package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

const folder = "../../../docs/kubernetes"

// TestManifests decodes each document into the type that it names; an unknown or repeated
// field is an error. Each file can be applied alone: it has the service accounts of its pods.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		accounts, wanted := map[string]bool{}, map[string]string{}
		for i, document := range strings.Split(string(text), "\n---\n") {
			var meta struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
				t.Fatalf("%s, document %d: %v", file, i+1, err)
			}
			where := fmt.Sprintf("%s, %s", filepath.Base(file), meta.Kind)
			var object any
			switch meta.APIVersion + " " + meta.Kind {
			case "apps/v1 Deployment":
				object = &appsv1.Deployment{}
			case "v1 Service":
				object = &corev1.Service{}
			case "v1 ServiceAccount":
				object = &corev1.ServiceAccount{}
			case "policy/v1 PodDisruptionBudget":
				object = &policyv1.PodDisruptionBudget{}
			case "batch/v1 CronJob":
				object = &batchv1.CronJob{}
			case "keda.sh/v1alpha1 ScaledObject", "keda.sh/v1alpha1 TriggerAuthentication":
				checkKEDA(t, where, meta.Kind, document)
				continue
			default:
				t.Errorf("%s: no known kind", where)
				continue
			}
			if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
				t.Errorf("%s: %v", where, err)
			}
			switch o := object.(type) {
			case *corev1.ServiceAccount:
				accounts[o.Name] = true
			case *appsv1.Deployment:
				pod(t, where, o.Spec.Template.Spec)
				wanted[where] = o.Spec.Template.Spec.ServiceAccountName
				for k, v := range o.Spec.Selector.MatchLabels {
					if o.Spec.Template.Labels[k] != v {
						t.Errorf("%s: the selector is not the label of the pods", where)
					}
				}
				if c := o.Spec.Template.Spec.Containers[0]; c.LivenessProbe == nil || c.StartupProbe == nil {
					t.Errorf("%s has no probes", where)
				}
			case *batchv1.CronJob:
				pod(t, where, o.Spec.JobTemplate.Spec.Template.Spec)
				wanted[where] = o.Spec.JobTemplate.Spec.Template.Spec.ServiceAccountName
			}
		}
		for where, account := range wanted {
			if !accounts[account] {
				t.Errorf("%s: the file does not create the service account %q of its pods", where, account)
			}
		}
	}
}

// pod checks that a pod is bounded and has the time to end in peace.
func pod(t *testing.T, where string, p corev1.PodSpec) {
	t.Helper()
	c := p.Containers[0]
	grace := time.Duration(0)
	for _, e := range c.Env {
		if e.Name == "SHUTDOWN_GRACE" {
			grace, _ = time.ParseDuration(e.Value)
		}
	}
	if c.Lifecycle != nil {
		grace += time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	}
	if left := time.Duration(*p.TerminationGracePeriodSeconds) * time.Second; grace == 0 || left < grace+2*time.Second {
		t.Errorf("%s: SHUTDOWN_GRACE and preStop take %s of the %s until SIGKILL", where, grace, left)
	}
	if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
		t.Errorf("%s has no limit of memory or no request for a processor", where)
	}
	s := c.SecurityContext
	if p.SecurityContext.RunAsNonRoot == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || len(s.Capabilities.Drop) != 1 {
		t.Errorf("%s: the container has more rights than it needs", where)
	}
	if *p.AutomountServiceAccountToken {
		t.Errorf("%s: the pod gets a token of the cluster", where)
	}
}
